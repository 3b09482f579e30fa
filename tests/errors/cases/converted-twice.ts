import { htons, license } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const program = sockOps((ctx) => {
  if (ctx.remotePort === htons(htons(80))) ctx.reply = 1; //~ converted-twice
  return 1;
});
