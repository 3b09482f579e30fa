import { license } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const program = sockOps((ctx) => {
  if (ctx.mss / 0 > 1) ctx.reply = 1; //~ division-by-zero
  if (ctx.mss % 0 > 1) ctx.reply = 2; //~ division-by-zero
  return 1;
});
