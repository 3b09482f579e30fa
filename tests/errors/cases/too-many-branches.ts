import { license, type u32 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const program = sockOps((ctx) => {
  let last: u32 | undefined;
//! repeat 2200 if (ctx.mss > 5) last = ctx.mss;
  ctx.reply = (last ?? 0) > 3 ? 1 : 0;
  return 1;
});
