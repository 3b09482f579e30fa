import { license, param, u8 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const program = sockOps((ctx) => {
  const value = param(u8, 3); //~ top-level-only
  if (value > ctx.mss) ctx.reply = 1;
  return 1;
});
