import { license, u32 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
let seen!: u32; //~ definite-assignment
export const program = sockOps((ctx) => {
  let x!: u32; //~ definite-assignment
  if (ctx.mss > 5) x = 1;
  seen = seen + x;
  return 1;
});
