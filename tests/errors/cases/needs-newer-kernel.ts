// target: mainline
import { license } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const program = sockOps((ctx) => {
  const timeout = ctx.getSockOpt("TCP_USER_TIMEOUT") ?? 0; //~ needs-newer-kernel
  ctx.setSockOpt("TCP_NODELAY", true); //~ needs-newer-kernel
  ctx.setSockOpt("TCP_RTO_MAX_MS", 1000); //~ needs-newer-kernel
  if (ctx.getSockOpt("SO_KEEPALIVE")) ctx.reply = 1; //~ needs-newer-kernel
  return timeout > 0 ? 1 : 0;
});
