import { license, struct, u8 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
class Pair extends struct({ a: u8, b: u8 }) {}
export const program = sockOps((ctx) => {
  const one = new Pair({ a: 1, b: 2 });
  ctx.reply = one[0]; //~ not-an-array
  return 1;
});
