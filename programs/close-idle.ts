// Close after inactivity: subflows that carry nothing are taken down.
//
// Why: a subflow that nobody uses keeps state at both ends and at every NAT between them, and its keep-alives or the first segment after an hour wake
// a radio. A session that has been quiet needs one way to be heard again, not four.
//
// How: when a subflow is up, and then whenever it may have been quiet for `idleMs`, a timer compares the bytes that it has carried with those of
// the last look. One that carried none is closed. The session's first subflow stays.
import { ktimeNs, license, LruHashMap, min, param, struct, u32, u64 } from "tsbpf";
import { pathManager, type MptcpSession } from "tsbpf/mptcp";

license("GPL");

/** Milliseconds without a byte in either direction. */
export const idleMs = param(u32, 30_000);

const MILLISECOND: u64 = 1_000_000n;
/** A timer's longest time, in milliseconds. */
const DAY: u32 = 86_400_000;

class Key extends struct({ token: u32, localId: u32, remoteId: u32 }) {}
class Seen extends struct({ bytes: u64, sinceNs: u64 }) {}
/** What subflows had carried when they last carried something. Those that are gone make room by age. */
export const seen = new LruHashMap({ key: Key, value: Seen, maxEntries: 4096 });

const carried = (session: MptcpSession): u64 => session.bytesReceived + session.bytesAcked;

export const closeIdle = pathManager({
  subflowEstablished(session, localId, remoteId, _backup, isMaster) {
    if (isMaster) return;
    const now = new Seen({ bytes: carried(session), sinceNs: ktimeNs() });
    if (seen.set(new Key({ token: session.token, localId, remoteId }), now) === 0) session.setTimer(min(idleMs, DAY));
  },

  timer(session, localId, remoteId, _backup, isMaster) {
    if (isMaster) return;
    const last = seen.get(new Key({ token: session.token, localId, remoteId }));
    if (!last) return;
    const now = ktimeNs();
    const bytes = carried(session);
    if (bytes !== last.bytes) {
      last.bytes = bytes;
      last.sinceNs = now;
    }
    const end = last.sinceNs + u64(idleMs) * MILLISECOND;
    if (now >= end) session.closeSubflow();
    else session.setTimer(min(u32((end - now) / MILLISECOND), DAY - 1) + 1);
  },
});
