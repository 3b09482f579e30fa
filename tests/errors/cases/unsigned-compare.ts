import { HashMap, license, u32 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const sums = new HashMap({ key: u32, value: u32, maxEntries: 2 });
export const program = sockOps((ctx) => {
  const room = ctx.sndCwnd - ctx.packetsOut;
  if (room < 0) ctx.reply = 1; //~ unsigned-compare
  if (0 <= ctx.localPort) ctx.reply = 2; //~ unsigned-compare
  for (let i = 3; i >= 0; i--) if (i === 1) break; //~ unsigned-compare
  if (ctx.bytesAcked - 5n < 0n) ctx.reply = 3; //~ unsigned-compare
  if (room > 0) ctx.reply = 4;
  return 1;
});
