import { ktimeNs, license } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
const start = ktimeNs(); //~ not-constant
export const program = sockOps((ctx) => {
  if (start > 1n) ctx.reply = 1;
  return 1;
});
