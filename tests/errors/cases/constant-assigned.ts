import { license } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const program = sockOps((ctx) => {
  const size = ctx.mss;
  size = 1; //~ constant-assigned
  if (size > 1000) ctx.reply = 1;
  return 1;
});
