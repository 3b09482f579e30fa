import { license } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
function twice(value) { return value * 2; } //~ parameter-type
export const program = sockOps((ctx) => {
  ctx.reply = twice(2);
  return 1;
});
