import { license } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const program = sockOps((ctx) => {
  if (ctx.remotePort === 443) ctx.reply = 1; //~ not-comparable
  if (ctx.remoteIp4 === ctx.remotePort) ctx.reply = 2; //~ not-comparable
  return 1;
});
