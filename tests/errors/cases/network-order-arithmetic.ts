import { license } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const program = sockOps((ctx) => {
  const next = ctx.remoteIp4 + 1; //~ network-order-arithmetic
  if (next) ctx.reply = 1;
  if (ctx.localIp4 < ctx.remoteIp4) ctx.reply = 2; //~ network-order-arithmetic
  return 1;
});
