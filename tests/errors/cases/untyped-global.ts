import { license } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
const counters = { events: 0 };
export const program = sockOps((ctx) => {
  counters.events++; //~ untyped-global
  ctx.reply = counters.events;
  return 1;
});
