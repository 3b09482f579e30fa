import { license } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const program = sockOps((ctx) => {
  const list = []; //~ empty-array
  ctx.reply = list.length;
  return 1;
});
