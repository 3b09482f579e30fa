import { license, struct, u8 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export class Twice extends struct({
  a: u8,
  a: u8, //~ duplicate-field
}) {}
export const program = sockOps((ctx) => {
  ctx.reply = 1;
  return 1;
});
