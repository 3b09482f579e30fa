import { ArrayMap, license, u32 } from "tsbpf";
import { pathManager } from "tsbpf/mptcp";
license("GPL");
export const counts = new ArrayMap({ value: u32, maxEntries: 2 });
export const manager = pathManager({
  newSession(session) {
    if (session.openSubflow) session.openSubflow(); //~ method-as-value
    if (counts.get) session.openSubflow(); //~ method-as-value
    if (session.setSockOpt) session.openSubflow(); //~ method-as-value
  },
});
