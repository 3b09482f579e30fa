import { license, type u32 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
function down(value: u32): u32 {
  return value === 0 ? 0 : up(value - 1);
}
function up(value: u32): u32 {
  return down(value); //~ recursion
}
export const program = sockOps((ctx) => {
  if (down(3) === 0) ctx.reply = 1;
  return 1;
});
