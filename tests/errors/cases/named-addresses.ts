import { ArrayMap, be32, license, struct, u8 } from "tsbpf";
import { pathManager } from "tsbpf/mptcp";
license("GPL");
class LocalAddr extends struct({ addr: be32, inUse: u8 }) {}
export const localAddrs = new ArrayMap({ value: LocalAddr, maxEntries: 8 }); //~ named-addresses
export const manager = pathManager({
  fullyEstablished(session, isMaster) {
    if (!isMaster) return;
    for (const local of localAddrs) if (local.inUse !== 0) session.openSubflow({ from: { addr: local.addr } });
  },
});
