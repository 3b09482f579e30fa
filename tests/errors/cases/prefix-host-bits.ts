import { inPrefix, license } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const program = sockOps((ctx) => {
  if (inPrefix(ctx.remoteIp4, "10.1.2.3/8")) ctx.reply = 1; //~ prefix-host-bits
  return 1;
});
