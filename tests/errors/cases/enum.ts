import { license } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
enum Phase { Start, Run } //~ enum
export const program = sockOps((ctx) => {
  ctx.reply = Phase.Run;
  return 1;
});
