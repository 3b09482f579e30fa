import { license } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const program = sockOps((ctx) => {
  let sum = 0;
  for (let i = 0; i < ctx.mss; i++) sum += i; //~ unbounded-loop
  ctx.reply = sum > 1 ? 1 : 0;
  return 1;
});
