import { license } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
function first(pair: [number, number]): number { return pair[0]; } //~ type-unknown
export const program = sockOps((ctx) => {
  ctx.reply = first([1, 2]);
  return 1;
});
