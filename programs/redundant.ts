/*
 * A packet scheduler that sends everything everywhere: each byte goes out on all subflows that may send, and the peer takes the copy that
 * comes first. What one path loses or delays, another brings in time. The price is the capacity of all but one of them, so this is
 * for little data that must not be late: a remote control, a call.
 *
 * `schedule()` may be called on several subflows; the patched kernel then gives each of them the same bytes. The loop does not stop at the first
 * one, and notes whether there was any: the kernel wants to hear false when nobody sends.
 *
 * A subflow whose send buffer is full is left out rather than waited for. It will have gaps in its copy, which nobody misses: MPTCP numbers
 * the bytes of the session (the data sequence), and the peer puts the stream together from whichever subflow brings the next ones.
 *
 * Backups take part. Who opens a link for spare and then sends everything twice has paid for it anyway; leave them out with the test in
 * programs/backup.ts where that is not meant.
 */
import { license } from "tsbpf";
import { scheduler } from "tsbpf/mptcp";

license("GPL");

export const redundant = scheduler({
  name: "ts_redundant",
  getSend(session) {
    let sends = false;
    for (const subflow of session.subflows(8)) {
      if (!subflow.isActive() || !subflow.memoryFree()) continue;
      subflow.schedule();
      sends = true;
    }
    return sends;
  },
});
