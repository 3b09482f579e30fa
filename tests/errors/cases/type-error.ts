import { license } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const program = sockOps((ctx) => {
  ctx.reply = ctx.mss; //~ type-error
  return 1;
  ctx.reply = 2; //~ type-error
});
