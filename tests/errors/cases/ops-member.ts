import { license } from "tsbpf";
import { congestionControl, renoCongAvoid, renoSsthresh, renoUndoCwnd, type TcpSock } from "tsbpf/cc";

license("GPL");

// The type checker wants them too.
export const first = congestionControl({ //~ ops-member
  congAvoid: (sk: TcpSock, ack: number, acked: number) => renoCongAvoid(sk, ack, acked),
  undoCwnd: (sk: TcpSock) => renoUndoCwnd(sk),
});
export const second = congestionControl({ //~ ops-member
  ssthresh: (sk: TcpSock) => renoSsthresh(sk),
  undoCwnd: (sk: TcpSock) => renoUndoCwnd(sk),
});
