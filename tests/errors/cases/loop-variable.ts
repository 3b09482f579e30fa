import { license, range } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const program = sockOps((ctx) => {
  let i = 0;
  for (i of range(4)) ctx.reply = 1; //~ loop-variable
  ctx.reply = i;
  return 1;
});
