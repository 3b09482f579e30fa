import { license } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const program = sockOps((ctx) => {
  const list = [1, 2, 3];
  list[ctx.mss & 3] = 4; //~ index-out-of-range
  if (list[0]) ctx.reply = 1;
  return 1;
});
