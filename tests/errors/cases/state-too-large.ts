import { array, license, struct, u32, u64 } from "tsbpf";
import { congestionControl, renoCongAvoid, renoSsthresh, renoUndoCwnd } from "tsbpf/cc";

license("GPL");

class Fits extends struct({ samples: array(u64, 13) }) {}
class TooMuch extends struct({ samples: array(u64, 13), more: u32 }) {}

export const fits = congestionControl({
  state: Fits,
  ssthresh: (sk) => renoSsthresh(sk),
  congAvoid: (sk, ack, acked) => renoCongAvoid(sk, ack, acked),
  undoCwnd: (sk) => renoUndoCwnd(sk),
});
export const large = congestionControl({
  state: TooMuch, //~ state-too-large
  ssthresh: (sk) => renoSsthresh(sk),
  congAvoid: (sk, ack, acked) => renoCongAvoid(sk, ack, acked),
  undoCwnd: (sk) => renoUndoCwnd(sk),
});
