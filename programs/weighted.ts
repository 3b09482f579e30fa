/*
 * A packet scheduler that shares the bytes by weights: a link with weight 3 gets three times what one with weight 1 gets. The weights are the
 * administrator's, in a map that can be changed while sessions go on.
 *
 * A subflow is known here by `localId`, the number of the local address that it leaves from: id 0 is the address that the session began
 * with, others are as the path manager gave them (`ip mptcp endpoint`). So a weight is for a link, and holds for all sessions that use it.
 *
 * How much a subflow has sent is known to TCP already: `bytesSent`. Divided by the weight that is how far it has come on its way, and the one
 * that has come least far is chosen. Nothing has to be kept, and nothing can get out of step: whatever made a subflow fall behind (a full
 * buffer, a loss), it catches up by being chosen until it has its share again. What is sent again counts too, since it used the link.
 *
 * The other side of that: a subflow that joins late has sent nothing, and is given everything until it has caught up. For links that come
 * and go all the time round-robin is better.
 *
 * A link without an entry in the map has weight 1, and one with weight 0 is not used at all. A subflow that is full (`memoryFree()`) is passed
 * over, so that the shares are what links are allowed, not what they are made to wait for.
 *
 * Set a weight: `tsbpf map weights set 1 3`.
 */
import { HashMap, license, u16, u32, u64 } from "tsbpf";
import { scheduler, type MptcpSubflow } from "tsbpf/mptcp";

license("GPL");

/** Weights of local addresses, by their ids. */
export const weights = new HashMap({ key: u16, value: u32, maxEntries: 256 });

export const weighted = scheduler({
  name: "ts_weighted",
  getSend(session) {
    let least: MptcpSubflow | undefined;
    let leastDone: u64 = 0xffff_ffff_ffff_ffffn;
    for (const subflow of session.subflows(8)) {
      const weight = weights.get(subflow.localId) ?? 1;
      if (weight === 0 || !subflow.isActive() || !subflow.memoryFree()) continue;
      const tcp = subflow.tcp;
      if (!tcp) continue;
      const done = tcp.bytesSent / u64(weight);
      if (done >= leastDone) continue;
      least = subflow;
      leastDone = done;
    }
    if (!least) return false;
    least.schedule();
    return true;
  },
});
