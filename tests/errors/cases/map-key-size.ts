import { array, HashMap, license, struct, u32, u8 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
class Large extends struct({ bytes: array(u8, 600) }) {}
export const seen = new HashMap({ key: Large, value: u32, maxEntries: 8 }); //~ map-key-size
export const program = sockOps((ctx) => {
  ctx.reply = 1;
  return 1;
});
