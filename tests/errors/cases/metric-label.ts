import { license, metric } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const a = metric("a_total", { help: "A.", label: "program", values: ["in", "out"] }); //~ metric-label
export const b = metric("b_total", { help: "B.", label: "side", values: [] }); //~ metric-label
export const c = metric("c_total", { help: "C.", label: "way" }); //~ metric-label
export const d = metric("d_total", { help: "D.", label: "way", values: ["in", "in"] }); //~ metric-label
export const program = sockOps((ctx) => {
  ctx.reply = 1;
  return 1;
});
