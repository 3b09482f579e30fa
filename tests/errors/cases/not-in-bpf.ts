import { license } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const program = sockOps((ctx) => {
  const kind = typeof ctx.mss; //~ not-in-bpf
  try { //~ not-in-bpf
    ctx.reply = 1;
  } catch {
    ctx.reply = 2;
  }
  ctx.reply = 2 ** 3; //~ not-in-bpf
  if (kind === "number") ctx.reply = 1;
  return 1;
});
