import { license, param, u8 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const limit = param(u8, 3);
export const program = sockOps((ctx) => {
  ctx.mss = 1; //~ read-only
  limit = 4; //~ read-only
  ctx.reply = limit;
  return 1;
});
