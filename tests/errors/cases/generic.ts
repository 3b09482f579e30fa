import { license } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
function first<T>(value: T, _other: T): T { return value; } //~ generic
export const program = sockOps((ctx) => {
  ctx.reply = first(1, 2);
  return 1;
});
