import { license, struct, u8 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
class Pair extends struct({ a: u8, b: u8, total: u8 }) {}
export const program = sockOps((ctx) => {
  const one = new Pair({ a: 1, c: 2 }); //~ unknown-field
  ctx.reply = one.d; //~ unknown-field
  ctx.reply = one.totl; //~ unknown-field
  return 1;
});
