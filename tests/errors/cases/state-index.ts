import { array, license, range, struct, u32 } from "tsbpf";
import { congestionControl, renoCongAvoid, renoSsthresh, renoUndoCwnd } from "tsbpf/cc";

license("GPL");

class Kept extends struct({ at: u32, last: array(u32, 4) }) {}

export const keeps = congestionControl({
  state: Kept,
  ssthresh(sk) {
    return sk.state.last[sk.state.at] ?? renoSsthresh(sk); //~ state-index
  },
  congAvoid(sk, ack, acked) {
    const last = sk.state.last;
    last[acked & 3] = ack; //~ state-index
    for (const i of range(4)) if (i === sk.state.at) last[i] = ack;
    renoCongAvoid(sk, ack, acked);
  },
  undoCwnd: (sk) => renoUndoCwnd(sk),
});
