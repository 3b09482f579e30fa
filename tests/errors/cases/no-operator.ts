import { HashMap, license, u32 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
const limits = new HashMap({ key: u32, value: u32, maxEntries: 8 });
export const program = sockOps((ctx) => {
  const sum = true + 1; //~ no-operator
  ctx.reply = sum;
  ctx.reply = -limits; //~ no-operator
  ctx.reply = 1 + u32; //~ no-operator
  return 1;
});
