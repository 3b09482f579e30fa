import { license, RingBuf, struct, u32 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
class Event extends struct({ n: u32 }) {}
export const events = new RingBuf({ value: Event, bytes: 10000 }); //~ ring-size
export const program = sockOps((ctx) => {
  ctx.reply = 1;
  return 1;
});
