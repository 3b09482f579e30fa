import { license } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const program = sockOps((ctx) => {
  const text = `mss ${ctx.mss}`; //~ string-built
  if (text === "mss 1460") ctx.reply = 1;
  ctx.setSockOpt("TCP_CONGESTION", "b" + "br"); //~ string-built
  return 1;
});
