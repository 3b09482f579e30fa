import { license, type u8 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const program = sockOps((ctx) => {
  const small: u8 = 256; //~ literal-range
  ctx.reply = small;
  return 1;
});
