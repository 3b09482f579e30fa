import { license } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const program = sockOps((ctx) => {
  if (ctx.mss.toString() === "1460") ctx.reply = 1; //~ no-member
  if (ctx.msss > 3) ctx.reply = 1; //~ no-member
  return 1;
});
