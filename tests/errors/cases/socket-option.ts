import { license, struct, u32 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
class Ports extends struct({ ports: u32 }) {}
export const program = sockOps((ctx) => {
  ctx.setSockOpt("TCP_NODELAI", 1); //~ socket-option
  ctx.setSockOpt("TCP_SAVED_SYN", 1); //~ socket-option
  ctx.setSockOpt("SO_KEEPALIVE", true);
  ctx.reply = ctx.getSockOpt("TCP_BPF_IW") ?? 0; //~ socket-option
  if (!ctx.getSockOpt("TCP_SAVED_SYN", Ports)) return 0;
  return 1;
});
