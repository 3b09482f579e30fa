import { license } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
function elsewhere(value: number): number; //~ no-body
export const program = sockOps((ctx) => {
  ctx.reply = elsewhere(1);
  return 1;
});
