// NewReno as a congestion control of our own: what the kernel does when it is told "reno", step by step.
//
// The window `sndCwnd` says how many segments may be in flight. Below the threshold `sndSsthresh` it grows by one for every segment that is
// acknowledged, and so doubles in each round trip (slow start); above it, by one for each whole window (congestion avoidance). After a loss the
// threshold is half of the window, and the kernel brings the window down to it. RFC 5681, RFC 6582.
import { license, max } from "tsbpf";
import { congAvoidAi, congestionControl, slowStart, type TcpSock } from "tsbpf/cc";

license("GPL");

/** Does the window hold the sender back? If not, there is no telling whether a larger one would do. */
function isLimited(sk: TcpSock) {
  if (sk.isCwndLimited) return true;
  return sk.sndCwnd < sk.sndSsthresh && sk.sndCwnd < 2 * sk.maxPacketsOut;
}

export const reno = congestionControl({
  name: "ts_reno",

  ssthresh(sk) {
    return max(sk.sndCwnd >> 1, 2);
  },

  congAvoid(sk, _ack, acked) {
    if (!isLimited(sk)) return;
    let left = acked;
    if (sk.sndCwnd < sk.sndSsthresh) {
      left = slowStart(sk, left);
      if (left === 0) return;
    }
    congAvoidAi(sk, sk.sndCwnd, left);
  },

  undoCwnd(sk) {
    return max(sk.sndCwnd, sk.priorCwnd);
  },
});
