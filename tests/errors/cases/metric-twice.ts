import { license, metric } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const a = metric("seen_total", { help: "Connections that were seen." });
export const b = metric("seen_total", { help: "Connections that passed." }); //~ metric-twice
export const program = sockOps((ctx) => {
  ctx.reply = 1;
  return 1;
});
