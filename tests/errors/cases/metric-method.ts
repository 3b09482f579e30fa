import { license, metric } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
const seen = metric("seen_total", { help: "Seen." });
export const program = sockOps((ctx) => {
  seen.set(1n); //~ metric-method
  ctx.reply = 1;
  return 1;
});
