import { ArrayMap, license, u32 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
const slots = new ArrayMap({ value: u32, maxEntries: 8 });
export const program = sockOps((ctx) => {
  ctx.reply = slots.get(8) ?? 0; //~ map-index
  slots.set(9, 1); //~ map-index
  return 1;
});
