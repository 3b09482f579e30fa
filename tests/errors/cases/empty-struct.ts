import { license, struct } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export class Nothing extends struct({}) {} //~ empty-struct
export const program = sockOps((ctx) => {
  ctx.reply = 1;
  return 1;
});
