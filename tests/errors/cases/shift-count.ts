import { license } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const program = sockOps((ctx) => {
  if (ctx.mss << 32 > 1) ctx.reply = 1; //~ shift-count
  return 1;
});
