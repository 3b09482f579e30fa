import { license } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const program = sockOps((ctx) => {
  if (ctx.mss === 0) throw 1; //~ throw
  return 1;
});
