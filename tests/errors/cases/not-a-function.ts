import { license } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const program = sockOps((ctx) => {
  if (ctx.mss() > 1000) ctx.reply = 1; //~ not-a-function
  return 1;
});
