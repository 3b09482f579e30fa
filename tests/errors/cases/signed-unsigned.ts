import { license } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const program = sockOps((ctx) => {
  if (ctx.setSockOpt("TCP_BPF_IW", 10) < ctx.mss) ctx.reply = 1; //~ signed-unsigned
  return 1;
});
