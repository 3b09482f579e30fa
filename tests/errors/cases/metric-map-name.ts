import { license, metric } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const connections_seen_first = metric("first_total", { help: "Connections that were seen first." });
export const connections_seen_again = metric("again_total", { help: "Connections that were seen again." }); //~ metric-map-name
export const program = sockOps((ctx) => {
  ctx.reply = 1;
  return 1;
});
