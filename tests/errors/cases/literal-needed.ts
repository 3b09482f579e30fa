import { license } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const program = sockOps((ctx) => {
  const name = "TCP_BPF_IW";
  ctx.setSockOpt(name, 20); //~ literal-needed
  return 1;
});
