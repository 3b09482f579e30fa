import { HashMap, license, u32 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const a = new HashMap({ key: u32, value: u32 }); //~ map-property
export const b = new HashMap({ value: u32, maxEntries: 8 }); //~ map-property
export const program = sockOps((ctx) => {
  ctx.reply = 1;
  return 1;
});
