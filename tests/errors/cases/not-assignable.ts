import { license } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const program = sockOps((ctx) => {
  ctx.setCallbacks(0) = 1; //~ not-assignable
  return 1;
});
