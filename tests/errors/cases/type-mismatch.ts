import { license, type be16 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const program = sockOps((ctx) => {
  const port: be16 = 443; //~ type-mismatch
  if (ctx.remotePort === port) ctx.reply = 1;
  return 1;
});
