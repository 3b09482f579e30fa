import { license } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
function take(value: number | boolean): boolean { return value === 1; } //~ union-type
export const program = sockOps((ctx) => {
  if (take(1)) ctx.reply = 1;
  return 1;
});
