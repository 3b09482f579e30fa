import { array, license, struct, u8 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
class Four extends struct({ bytes: array(u8, 4) }) {}
export const program = sockOps((ctx) => {
  const one = new Four({ bytes: [1, 2, 3] }); //~ array-length
  ctx.reply = one.bytes[0];
  return 1;
});
