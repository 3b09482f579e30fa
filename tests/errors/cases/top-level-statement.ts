import { license } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
let calls = 0;
if (calls === 0) calls = 1; //~ top-level-statement
export const program = sockOps((ctx) => {
  ctx.reply = calls === 0 ? 1 : 0;
  return 1;
});
