import { license, struct, u32 } from "tsbpf";
import { congestionControl, renoCongAvoid, renoSsthresh, renoUndoCwnd, type TcpSock } from "tsbpf/cc";

license("GPL");

class Kept extends struct({ acks: u32 }) {}

function count(sk: TcpSock) {
  return sk.state === sk.state; //~ no-state
}
function counted(sk: TcpSock<Kept>): u32 {
  return sk.state.acks;
}

export const keeps = congestionControl({
  state: Kept,
  ssthresh: (sk) => (count(sk) ? counted(sk) : renoSsthresh(sk)),
  congAvoid: (sk, ack, acked) => renoCongAvoid(sk, ack, acked),
  undoCwnd: (sk) => renoUndoCwnd(sk),
});
