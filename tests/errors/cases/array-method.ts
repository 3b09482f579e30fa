import { license } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const program = sockOps((ctx) => {
  const list = [1, 2, 3];
  list.push(4); //~ array-method
  ctx.reply = list.length;
  return 1;
});
