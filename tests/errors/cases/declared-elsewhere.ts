import { license, u8 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
declare const limit: u8; //~ declared-elsewhere
declare let counter: u8; //~ declared-elsewhere
declare function help(a: u8): u8; //~ declared-elsewhere
declare class Shape {} //~ declared-elsewhere
export const program = sockOps((ctx) => {
  if (help(limit) > counter) ctx.reply = 1;
  return 1;
});
