/*
 * A packet scheduler that goes by what kind of traffic it is: voice over this link, backups of disks over that one.
 *
 * Applications say what their traffic is with six bits in the header of every packet, the DSCP (RFC 2474), which they set with
 * setsockopt(IP_TOS): 46 is "expedited forwarding", what voice uses; 8 is "lower effort" of old. The session has what was set on it in `tos`,
 * eight bits of which the DSCP is the upper six; the other two are ECN's.
 *
 * The administrator says which link each class prefers, in a map from the DSCP to `localId`, the number of the local address (0: the one that
 * the session began with). The class's link is used while it is active: the first subflow that leaves from
 * there and has room. If the link is there but full, the class waits for it; that is what preferring means.
 *
 * If it is not there, or the class is not in the map, the subflow with the shortest round trip takes over, so that a link that goes down
 * costs speed and not the session. `isActive()` notices when it is there again.
 *
 * The map may be changed at any time: the next burst goes the new way. Traffic of one session is of one class at a time, so this chooses
 * among links for whole sessions; programs/weighted.ts shares them out within one.
 *
 * Set a preference: `tsbpf map preferred set 46 1`.
 */
import { HashMap, license, u16, u8, type u32 } from "tsbpf";
import { scheduler, type MptcpSubflow } from "tsbpf/mptcp";

license("GPL");

/** The id of the local address that each class prefers, by DSCP. */
export const preferred = new HashMap({ key: u8, value: u16, maxEntries: 64 });

export const byDscp = scheduler({
  name: "ts_by_dscp",
  getSend(session) {
    const link = preferred.get(session.tos >> 2);
    let own: MptcpSubflow | undefined;
    let ownIsThere = false;
    let quickest: MptcpSubflow | undefined;
    let shortest: u32 = 0xffffffff;
    for (const subflow of session.subflows(8)) {
      if (!subflow.isActive()) continue;
      const hasRoom = subflow.memoryFree();
      if (link !== undefined && subflow.localId === link) {
        ownIsThere = true;
        if (hasRoom && !own) own = subflow;
      }
      const tcp = subflow.tcp;
      if (!tcp || !hasRoom || (quickest && tcp.srttUs >= shortest)) continue;
      quickest = subflow;
      shortest = tcp.srttUs;
    }
    const chosen = ownIsThere ? own : quickest;
    if (!chosen) return false;
    chosen.schedule();
    return true;
  },
});
