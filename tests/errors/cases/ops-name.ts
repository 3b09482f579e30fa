import { license } from "tsbpf";
import { congestionControl, renoCongAvoid, renoSsthresh, renoUndoCwnd } from "tsbpf/cc";

license("GPL");

export const short = congestionControl({
  name: "sixteen_letters_", //~ ops-name
  ssthresh: (sk) => renoSsthresh(sk),
  congAvoid: (sk, ack, acked) => renoCongAvoid(sk, ack, acked),
  undoCwnd: (sk) => renoUndoCwnd(sk),
});
export const spaced = congestionControl({
  name: "my reno", //~ ops-name
  ssthresh: (sk) => renoSsthresh(sk),
  congAvoid: (sk, ack, acked) => renoCongAvoid(sk, ack, acked),
  undoCwnd: (sk) => renoUndoCwnd(sk),
});
export const withoutNameOfItsOwn = congestionControl({ //~ ops-name
  ssthresh: (sk) => renoSsthresh(sk),
  congAvoid: (sk, ack, acked) => renoCongAvoid(sk, ack, acked),
  undoCwnd: (sk) => renoUndoCwnd(sk),
});
