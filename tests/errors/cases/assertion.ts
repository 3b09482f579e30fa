import { license, type be16 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const program = sockOps((ctx) => {
  const port = 443 as unknown as be16; //~ assertion
  if (ctx.remotePort === port) ctx.reply = 1;
  return 1;
});
