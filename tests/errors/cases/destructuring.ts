import { license } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const program = sockOps((ctx) => {
  const { mss } = ctx; //~ destructuring
  if (mss > 1000) ctx.reply = 1;
  return 1;
});
