import { inPrefix, ipv4, license } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const program = sockOps((ctx) => {
  if (ctx.remoteIp4 === ipv4("192.0.2.256")) ctx.reply = 1; //~ bad-address
  if (inPrefix(ctx.remoteIp4, "10.0.0.0/33")) ctx.reply = 2; //~ bad-address
  return 1;
});
