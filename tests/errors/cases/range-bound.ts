import { license, range } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const program = sockOps((ctx) => {
  let sum = 0;
  for (const i of range(ctx.mss, ctx.mss)) sum += i; //~ range-bound
  ctx.reply = sum > 3 ? 1 : 0;
  return 1;
});
