//! file other.ts import { ArrayMap, u32 } from "tsbpf"; export const shared = new ArrayMap({ value: u32, maxEntries: 1, pinned: true });
import { ArrayMap, i32, license, u32 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
import { shared as other } from "./other.ts";
license("GPL");
export const shared = new ArrayMap({ value: u32, maxEntries: 1, pinned: true });
export const program = sockOps((ctx) => {
  ctx.reply = i32(other.get(0));
  return 1;
});
