import { license } from "tsbpf";
import { sockOps, type TcpConn } from "tsbpf/tcp";
license("GPL");
let kept: TcpConn | undefined;
export const program = sockOps((ctx) => {
  kept = ctx; //~ context-escapes
  if (kept) ctx.reply = 1;
  return 1;
});
