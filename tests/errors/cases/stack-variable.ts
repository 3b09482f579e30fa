import { array, license, struct, u8 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
class Large extends struct({ bytes: array(u8, 600) }) {}
export const program = sockOps((ctx) => {
  const large = new Large(); //~ stack-variable
  ctx.reply = large.bytes[0];
  return 1;
});
