import { license, struct, u8 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export class Odd extends struct({ constructor: u8 }) {} //~ reserved-name
export const program = sockOps((ctx) => {
  ctx.reply = 1;
  return 1;
});
