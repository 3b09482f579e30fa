// Counts the beginnings and ends of sessions that it is told of.
import { ArrayMap, atomicAdd, license, struct, u64 } from "tsbpf";
import { pathManager } from "tsbpf/mptcp";

license("GPL");

class Counts extends struct({ created: u64, established: u64, closed: u64 }) {}
export const counts = new ArrayMap({ value: Counts, maxEntries: 1 });

export const countSessions = pathManager({
  newSession() {
    const slot = counts.get(0);
    if (slot) atomicAdd(slot, "created", 1n);
  },
  fullyEstablished(_session, isMaster) {
    if (!isMaster) return;
    const slot = counts.get(0);
    if (slot) atomicAdd(slot, "established", 1n);
  },
  closeSession() {
    const slot = counts.get(0);
    if (slot) atomicAdd(slot, "closed", 1n);
  },
});
