import { license } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const program = sockOps((ctx) => {
  let sum = 0;
//! repeat 2200 if (ctx.mss > 5) sum += 1; 
  ctx.reply = sum > 3 ? 1 : 0;
  return 1;
});
