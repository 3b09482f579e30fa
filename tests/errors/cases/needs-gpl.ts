import { license, log } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("Proprietary");
export const program = sockOps((ctx) => {
  log`mss ${ctx.mss}`; //~ needs-gpl
  return 1;
});
