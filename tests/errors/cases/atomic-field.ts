import { ArrayMap, atomicAdd, license, struct, u8 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
class Small extends struct({ n: u8 }) {}
const all = new ArrayMap({ value: Small, maxEntries: 1 });
export const program = sockOps((ctx) => {
  const one = all.get(0);
  atomicAdd(one, "n", 1); //~ atomic-field
  ctx.reply = 1;
  return 1;
});
