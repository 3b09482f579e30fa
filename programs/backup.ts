/*
 * A packet scheduler with spare subflows: of those that are no backups, the quickest that has room takes everything. Backups carry data only where
 * there is no other subflow at all.
 *
 * Which subflow is a backup was agreed on when it was opened, or since (MP_PRIO): a phone's cellular link beside its wireless one, say. There
 * are two bits because each side has a say: `backup` is what the peer asked for, `requestBackup` what this host did.
 *
 * "No other subflow" is about subflows that live, not about those that have room right now. If all good ones are full for a moment, the
 * kernel has to wait, because a link that costs money must not get what a full queue cannot take. So the loop notes two things apart:
 * whether there is a good one at all, and which is the best.
 *
 * The best one is kept in a variable of type `MptcpSubflow | undefined`, because after the loop there may be none; TypeScript insists on the
 * test, and the kernel's verifier does too.
 *
 * `subflow.tcp` is the TCP connection of the subflow, with its round-trip time (`srttUs`, smoothed, in microseconds). It is undefined where
 * the connection is gone, which is tested first. A connection that has measured nothing yet says 0 and would look very quick; it comes
 * last here. `memoryFree()` says whether the subflow's own send buffer has room.
 *
 * What has to be sent again goes by the same rule: there is no `getRetrans`.
 */
import { license, type u32 } from "tsbpf";
import { scheduler, type MptcpSubflow } from "tsbpf/mptcp";

license("GPL");

/** Longer than any round trip, in microseconds. */
const UNKNOWN: u32 = 0xffffffff;

export const backup = scheduler({
  name: "ts_backup",
  getSend(session) {
    let best: MptcpSubflow | undefined;
    let bestRtt: u32 = UNKNOWN;
    let bestIsBackup = true;
    for (const subflow of session.subflows(8)) {
      if (!subflow.isActive()) continue;
      const tcp = subflow.tcp;
      if (!tcp) continue;
      const isBackup = subflow.backup || subflow.requestBackup;
      if (isBackup && !bestIsBackup) continue;
      // The first good one ends the backups' turn, whether it has room or not.
      if (!isBackup && bestIsBackup) {
        best = undefined;
        bestRtt = UNKNOWN;
        bestIsBackup = false;
      }
      const rtt = tcp.srttUs === 0 ? UNKNOWN : tcp.srttUs;
      if (best && rtt >= bestRtt) continue;
      if (!subflow.memoryFree()) continue;
      best = subflow;
      bestRtt = rtt;
    }
    if (!best) return false;
    best.schedule();
    return true;
  },
});
