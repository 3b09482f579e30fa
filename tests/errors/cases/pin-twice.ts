//! file other.ts import { ArrayMap, u32 } from "tsbpf"; export const shared = new ArrayMap({ value: u32, maxEntries: 1, pinned: true });
import { ArrayMap, license, u32 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
import { shared as other } from "./other.ts"; 
license("GPL");
export const shared = new ArrayMap({ value: u32, maxEntries: 1, pinned: true });
export const program = sockOps((ctx) => {
  ctx.reply = other.get(0);
  return 1;
});
