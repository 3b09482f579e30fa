import { license, struct } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export class Bad extends struct({ flag: Boolean }) {} //~ not-a-field-type
export const program = sockOps((ctx) => {
  ctx.reply = 1;
  return 1;
});
