import { array, license, param, u8 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const list = param(array(u8, 4), 0); //~ param-type
export const program = sockOps((ctx) => {
  ctx.reply = 1;
  return 1;
});
