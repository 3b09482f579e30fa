import { license } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const program = sockOps((ctx) => {
  const sum = true + 1; //~ no-operator
  ctx.reply = sum;
  return 1;
});
