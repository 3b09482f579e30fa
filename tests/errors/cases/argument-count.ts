import { license } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
function add(a: number, b: number): number { return a + b; }
export const program = sockOps((ctx) => {
  ctx.reply = add(1); //~ argument-count
  return 1;
});
