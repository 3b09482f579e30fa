import { ArrayMap, license, u32 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const addressesOfPeersOld = new ArrayMap({ value: u32, maxEntries: 1 });
export const addressesOfPeersNew = new ArrayMap({ value: u32, maxEntries: 1 }); //~ name-collision
export const program = sockOps(() => 1);
