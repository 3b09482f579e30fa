import { license, metric } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
const seen = metric("seen_total", { help: "Seen.", label: "way", values: ["in", "out"] });
export const program = sockOps((ctx) => {
  seen.add("inn", 1n); //~ metric-value
  ctx.reply = 1;
  return 1;
});
