import { license, log } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const program = sockOps((ctx) => {
  log`${ctx.mss} ${ctx.mss} ${ctx.mss} ${ctx.mss}`; //~ log-values
  return 1;
});
