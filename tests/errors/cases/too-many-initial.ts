import { ArrayMap, license, u32 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const slots = new ArrayMap({ value: u32, maxEntries: 2, initial: [1, 2, 3] }); //~ too-many-initial
export const program = sockOps((ctx) => {
  ctx.reply = 1;
  return 1;
});
