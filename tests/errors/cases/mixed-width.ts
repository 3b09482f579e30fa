import { license } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const program = sockOps((ctx) => {
  const sum = ctx.bytesAcked + 1; //~ mixed-width
  if (sum > 1000n) ctx.reply = 1;
  if (ctx.bytesAcked > ctx.mss) ctx.reply = 2; //~ mixed-width
  return 1;
});
