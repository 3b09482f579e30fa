import { license, type u32 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
function pick(value: u32) {
  if (value === 0) return;
  return value; //~ return-types
}
export const program = sockOps((ctx) => {
  if (pick(ctx.mss)) ctx.reply = 1;
  return 1;
});
