import { htons, license } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const program = sockOps((ctx) => {
  const port = ctx.mss > 1000 ? ctx.remotePort : 80; //~ arms-differ
  if (port === htons(80)) ctx.reply = 1;
  return 1;
});
