import { license } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const program = sockOps((ctx) => {
  ctx.reply = 1.5; //~ fraction
  return 1;
});
