import { license } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
const one = two; //~ constant-cycle
const two = one;
export const program = sockOps((ctx) => {
  ctx.reply = one + two;
  return 1;
});
