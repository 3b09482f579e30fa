import { license, struct, u8 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
class Small extends struct({ n: u8 }) {}
export const program = sockOps((ctx) => {
  const one = new Small();
  one.n = ctx.mss + 1; //~ does-not-fit
  ctx.reply = one.n;
  return 1;
});
