import { license } from "tsbpf";
import { congestionControl, renoCongAvoid, renoSsthresh, renoUndoCwnd } from "tsbpf/cc";

license("GPL");

export const first = congestionControl({
  ssthresh: (sk) => renoSsthresh(sk),
  congAvoid: (sk, ack, acked) => renoCongAvoid(sk, ack, acked),
  undoCwnd: (sk) => renoUndoCwnd(sk),
});
export const second = congestionControl({
  name: "first", //~ ops-name-taken
  ssthresh: (sk) => renoSsthresh(sk),
  congAvoid: (sk, ack, acked) => renoCongAvoid(sk, ack, acked),
  undoCwnd: (sk) => renoUndoCwnd(sk),
});
