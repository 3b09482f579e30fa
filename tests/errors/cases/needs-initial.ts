import { license } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const program = sockOps((ctx) => {
  let size; //~ needs-initial
  size = ctx.mss;
  if (size > 1000) ctx.reply = 1;
  return 1;
});
