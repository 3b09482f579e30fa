import { license, range } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const program = sockOps((ctx) => {
  let sum = 0;
  for (const i of range(5000)) { //~ loop-too-large
    if (ctx.mss > i) sum += ctx.setSockOpt("TCP_BPF_IW", 10) === 0 ? 1 : 2;
  }
  ctx.reply = sum > 1 ? 1 : 0;
  return 1;
});
