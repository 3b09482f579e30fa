import { license } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const program = sockOps((ctx) => {
  console.log("event"); //~ javascript-global
  ctx.reply = Math.max(1, 2); //~ javascript-global
  return 1;
});
