import { license, metric } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const a = metric("Requests", { help: "Requests." }); //~ metric-name
export const b = metric("waited_milliseconds_total", { help: "Time." }); //~ metric-name
export const c = metric("tsbpf_depth", { help: "Depth.", type: "gauge" }); //~ metric-name
export const program = sockOps((ctx) => {
  ctx.reply = 1;
  return 1;
});
