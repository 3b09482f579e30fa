import { license } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const program = sockOps((ctx) => {
  const mss = ctx.mss;
  ctx.reply = mss[0]; //~ not-a-struct
  return 1;
});
