import { license } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
function take(value: any): boolean { return value === 1; } //~ any
export const program = sockOps((ctx) => {
  if (take(ctx.mss)) ctx.reply = 1;
  return 1;
});
