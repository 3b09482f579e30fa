/** NewReno in plain TypeScript: what the programs' one is compared with (RFC 5681; net/ipv4/tcp_cong.c). */
import type { Scheme } from "./control.ts";
import { isSlowStart, type Sock } from "./sock.ts";

const isLimited = (sock: Sock): boolean =>
  sock.isCwndLimited === 1 || (isSlowStart(sock) && sock.sndCwnd < 2 * sock.maxPacketsOut);

function grow(sock: Sock, acked: number): void {
  let left = acked;
  if (isSlowStart(sock)) {
    const window = Math.min(sock.sndCwnd + left, sock.sndSsthresh);
    left -= window - sock.sndCwnd;
    sock.sndCwnd = window;
  }
  if (left === 0) return;
  // What was counted towards a larger window counts at once.
  const goal = sock.sndCwnd;
  if (sock.sndCwndCnt >= goal) {
    sock.sndCwndCnt = 0;
    sock.sndCwnd++;
  }
  const count = sock.sndCwndCnt + left;
  sock.sndCwnd += Math.floor(count / goal);
  sock.sndCwndCnt = count % goal;
}

export const RENO: Scheme = {
  name: "reno",
  needsEcn: false,
  attach: (sock) => ({
    control: {
      ssthresh: () => Math.max(sock.sndCwnd >> 1, 2),
      congAvoid(_ack, acked) {
        if (isLimited(sock)) grow(sock, acked);
      },
      undoCwnd: () => Math.max(sock.sndCwnd, sock.priorCwnd),
    },
    state: () => undefined,
  }),
};
