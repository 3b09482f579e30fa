import { license } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
function isBbr(name: string): boolean { return name === "bbr"; } //~ string-type
export const program = sockOps((ctx) => {
  if (isBbr("reno")) ctx.reply = 1;
  return 1;
});
