import { array, license, PerCpuArray, struct, u64 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
class Large extends struct({ words: array(u64, 5000) }) {}
export const seen = new PerCpuArray({ value: Large, maxEntries: 1 }); //~ map-value-size
export const program = sockOps((ctx) => {
  ctx.reply = 1;
  return 1;
});
