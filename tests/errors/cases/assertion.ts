import { license, type be16, type u16 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const program = sockOps((ctx) => {
  const port = 443 as unknown as be16; //~ assertion
  if (ctx.remotePort === port) ctx.reply = 1;
  const size = ctx.mss as u16; //~ assertion
  if (size > 3) ctx.reply = 1;
  return 1;
});
