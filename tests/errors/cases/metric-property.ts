import { license, metric } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const a = metric("seen_total", { help: "Seen.", unit: "seconds" }); //~ metric-property
export const program = sockOps((ctx) => {
  ctx.reply = 1;
  return 1;
});
