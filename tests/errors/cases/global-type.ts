import { HashMap, license, u32 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
const limits = new HashMap({ key: u32, value: u32, maxEntries: 8 });
let current = limits; //~ global-type
export const program = sockOps((ctx) => {
  current = limits;
  ctx.reply = 1;
  return 1;
});
