import { license } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const program = sockOps((ctx) => {
  const list = [1, 2, 3];
  ctx.reply = list[3] ?? 0; //~ index-range
  list[5] = 1; //~ index-range
  return 1;
});
