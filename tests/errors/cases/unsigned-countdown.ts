import { ArrayMap, license, u32 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const out = new ArrayMap({ value: u32, maxEntries: 4 });
export const p = sockOps((ctx) => {
  for (let i = 3; i >= 0; i--) out.set(i, ctx.mss); //~ unsigned-countdown
  for (let i: u32 = 3; 0 <= i; i -= 1) out.set(i, ctx.mss); //~ unsigned-countdown
  return 1;
});
