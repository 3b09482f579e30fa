import { license, log, struct, u8 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
class Pair extends struct({ a: u8, b: u8 }) {}
export const program = sockOps((ctx) => {
  const one = new Pair({ a: 1, b: 2 });
  log`${one}`; //~ log-value
  return 1;
});
