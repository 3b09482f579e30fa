/*
 * The smallest packet scheduler: everything goes out on the first subflow that may send.
 *
 * An MPTCP session is one stream of bytes over several TCP connections, its subflows. Whenever bytes wait, the kernel asks the session's
 * scheduler which of them takes the next ones: the handler `getSend`. It looks at the subflows, calls `schedule()` on one, and says true; or it
 * says false, and the kernel asks again when something has changed (a subflow has room again, the peer's window has opened).
 *
 * `session.subflows(8)` is the kernel's own list in the kernel's order, at most eight of it. The number must be written there, because the
 * kernel takes no program of which it cannot see that it ends: the compiler writes the loop's body eight times. The kernel counts who looks
 * at its list, so that leaving the loop early, by return or break, has to be told; the compiler does that on every way out.
 *
 * `isActive()` is false for a subflow whose handshake is not over, that is being closed, or that has been silent for so long that the kernel
 * has stopped counting on it. What is scheduled there would not get anywhere.
 *
 * The first subflow of the list is the one that the session began with. The others stay idle until it is gone, and then the next one in the
 * list takes over: a spare tyre, not a second lane. There is no `getRetrans`: for what has to be sent again the kernel asks getSend too.
 *
 * Load it with `tsbpf run programs/first.ts`, and choose it with `sysctl net.mptcp.scheduler=ts_first`: sessions that begin from then
 * on have it.
 */
import { license } from "tsbpf";
import { scheduler } from "tsbpf/mptcp";

license("GPL");

export const first = scheduler({
  name: "ts_first",
  getSend(session) {
    for (const subflow of session.subflows(8)) {
      if (!subflow.isActive()) continue;
      subflow.schedule();
      return true;
    }
    return false;
  },
});
