import { license, log } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const program = sockOps((ctx) => {
  log(`port ${ctx.localPort}`); //~ log-call
  log("here"); //~ log-call
  log(); //~ log-call
  return 1;
});
