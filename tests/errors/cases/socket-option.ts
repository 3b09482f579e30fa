import { license } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const program = sockOps((ctx) => {
  ctx.setSockOpt("TCP_NODELAY", 1); //~ socket-option
  ctx.reply = ctx.getSockOpt("TCP_BPF_IW") ?? 0; //~ socket-option
  return 1;
});
