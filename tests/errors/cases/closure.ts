import { license } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const program = sockOps((ctx) => {
  const half = (value: number) => value / 2; //~ closure
  function twice(value: number) { return value * 2; } //~ closure
  ctx.reply = half(2) + twice(2);
  return 1;
});
