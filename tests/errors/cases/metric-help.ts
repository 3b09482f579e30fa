import { license, metric } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const a = metric("seen_total", {}); //~ metric-help
export const b = metric("passed_total", { help: "" }); //~ metric-help
export const program = sockOps((ctx) => {
  ctx.reply = 1;
  return 1;
});
