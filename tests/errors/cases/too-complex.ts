import { array, ArrayMap, license, range, struct, u32 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
class Rows extends struct({ row: array(u32, 64) }) {}
const rows = new ArrayMap({ value: Rows, maxEntries: 1 });
export const program = sockOps((ctx) => {
  let at: u32 = 0;
  for (const i of range(20)) {
    if ((ctx.mss >> i) & 1) at = at * 3 + i; //~ too-complex
  }
  rows.get(0).row[at & 63] = 1;
  return 1;
});
