/*
 * The kernel's own packet scheduler ("default"), in TypeScript: bursts go where they will have left soonest.
 *
 * The quickest path is not the one with the shortest round trip but the one where the next byte waits least. How long a byte waits on a subflow
 * is what lies before it in the send buffer (`wmemQueued`, bytes), divided by how fast the buffer empties (bytes per second): the
 * lingering time. The subflow with the shortest one is chosen. A slow path that is empty loses against a fast path that is half
 * full, so the stream is not held up by its slowest part (the idea of BLEST).
 *
 * The rate is `avgPacingRate`, which belongs to the scheduler: nobody else writes it. It starts as what TCP paces its segments with, and
 * then follows it slowly, weighed by bytes: what is queued counts with the old average, the new burst with the present rate. A rate that
 * jumps up and down would make every burst change the path.
 *
 * Times are compared as fractions of whole numbers, because there are no others: bytes shifted left by 32 bits, divided by the rate.
 *
 * A burst is at most 65,428 bytes: what fits into one packet of 64 KB with its headers. `sndBurst` tells the kernel how many bytes it may send there
 * before it asks again; less where the peer's window ends sooner (`windowEnd()`, the byte behind the last one that may be sent).
 * Where the window is full the subflow is chosen all the same, so that somebody asks the peer for more room.
 *
 * Backups count only where no other subflow is active. Whether there is one is counted before its rate is looked at, as the kernel does.
 *
 * `getRetrans`: what was lost goes over a subflow that has nothing else to do, since one that waits for acknowledgements is likely to be the
 * one that lost it. A connection is idle when nothing is in flight (`packetsOut`) and nothing waits to be (`writeSeq` is `sndNxt`). A backup
 * helps only when every busy subflow has been found silent more than once (`staleCount`).
 */
import { license, min, u32, u64 } from "tsbpf";
import { scheduler, type MptcpSubflow } from "tsbpf/mptcp";

license("GPL");

/** 65,536 less the headers of TCP (20), its options (40), of IPv6 (40) and of a fragment (8): MPTCP_SEND_BURST_SIZE. */
const BURST = 65428n;
/** Longer than any time. */
const NEVER: u64 = 0xffff_ffff_ffff_ffffn;

export const burst = scheduler({
  name: "ts_burst",

  getSend(session) {
    let best: MptcpSubflow | undefined;
    let spare: MptcpSubflow | undefined;
    let bestTime: u64 = NEVER;
    let spareTime: u64 = NEVER;
    let anyActive = false;
    for (const subflow of session.subflows(8)) {
      if (!subflow.isActive()) continue;
      const isBackup = subflow.backup || subflow.requestBackup;
      if (!isBackup) anyActive = true;
      const tcp = subflow.tcp;
      if (!tcp) continue;
      if (subflow.avgPacingRate === 0n) subflow.avgPacingRate = tcp.pacingRate;
      const rate = subflow.avgPacingRate;
      if (rate === 0n) continue;
      const time = (u64(tcp.wmemQueued) << 32n) / rate;
      if (isBackup) {
        if (time < spareTime) {
          spare = subflow;
          spareTime = time;
        }
      } else if (time < bestTime) {
        best = subflow;
        bestTime = time;
      }
    }
    session.setTimeout();

    const chosen = anyActive ? best : spare;
    if (!chosen) return false;
    const tcp = chosen.tcp;
    if (!tcp || !chosen.memoryFree()) return false;
    const end = session.windowEnd();
    const next = session.sndNxt;
    const bytes: u64 = end > next ? min(end - next, BURST) : 0n;
    if (bytes > 0n) {
      const queued = u64(tcp.wmemQueued);
      chosen.avgPacingRate = (chosen.avgPacingRate * queued + tcp.pacingRate * bytes) / (queued + bytes);
      session.sndBurst = u32(bytes) & 0x1ffff;
    }
    chosen.schedule();
    return true;
  },

  getRetrans(session) {
    let idle: MptcpSubflow | undefined;
    let spare: MptcpSubflow | undefined;
    let leastStale: u32 = 255;
    for (const subflow of session.subflows(8)) {
      if (!subflow.isActive()) continue;
      const tcp = subflow.tcp;
      if (!tcp) continue;
      if (tcp.packetsOut > 0 || tcp.writeSeq !== tcp.sndNxt) {
        leastStale = min(leastStale, subflow.staleCount);
      } else if (subflow.backup || subflow.requestBackup) {
        spare = spare ?? subflow;
      } else {
        idle = idle ?? subflow;
      }
    }
    const chosen = idle ?? (leastStale > 1 ? spare : undefined);
    if (!chosen) return false;
    chosen.schedule();
    return true;
  },
});
