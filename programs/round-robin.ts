/*
 * A packet scheduler that goes around: each time it is asked, the next subflow after the last one, so that all links of a host are used whatever
 * their speed. A good way to see several subflows at work, and rarely the fastest: the slowest one decides when the stream is whole.
 *
 * To know which one was last it keeps a number for each session. `SkStorage` is the kernel's place for that: a value that hangs on
 * a socket, found by the socket itself, and gone with it, so that nothing has to be cleaned up in `release`. Sessions are sockets, too.
 *
 * The number is the subflow's `subflowId`, which the kernel counts upward and gives to nobody twice. Positions in the list would not do:
 * when a subflow goes, those behind it move up, and one would be left out. With ids the rule is short: the smallest id above the last one, or,
 * where there is none above it, the smallest of all. Subflows that come and go in between change nothing about it.
 *
 * A subflow whose send buffer is full (`memoryFree()`) loses its turn rather than making the others wait.
 *
 * `getOrCreate` gives undefined where the kernel has no memory left; then the round begins anew, which is better than sending nothing.
 */
import { license, SkStorage, struct, u32 } from "tsbpf";
import { scheduler, type MptcpSubflow } from "tsbpf/mptcp";

license("GPL");

class Turn extends struct({ lastId: u32 }) {}
/** Whose turn it was, for each session. */
export const turns = new SkStorage({ value: Turn });

export const roundRobin = scheduler({
  name: "ts_roundrobin",
  getSend(session) {
    const turn = turns.getOrCreate(session);
    const lastId: u32 = turn ? turn.lastId : 0;
    let next: MptcpSubflow | undefined;
    let lowest: MptcpSubflow | undefined;
    let nextId: u32 = 0xffffffff;
    let lowestId: u32 = 0xffffffff;
    for (const subflow of session.subflows(8)) {
      if (!subflow.isActive() || !subflow.memoryFree()) continue;
      const id = subflow.subflowId;
      if (id < lowestId) {
        lowest = subflow;
        lowestId = id;
      }
      if (id > lastId && id < nextId) {
        next = subflow;
        nextId = id;
      }
    }
    const chosen = next ?? lowest;
    if (!chosen) return false;
    if (turn) turn.lastId = chosen.subflowId;
    chosen.schedule();
    return true;
  },
});
