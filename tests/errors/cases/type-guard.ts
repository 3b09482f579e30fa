import { license } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
function isSmall(value: number): value is 1 { return value < 10; } //~ type-guard
export const program = sockOps((ctx) => {
  if (isSmall(ctx.mss)) ctx.reply = 1;
  return 1;
});
