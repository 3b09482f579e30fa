import { HashMap, license, struct, u32 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
class Pair extends struct({ a: u32, b: u32 }) {}
export const pairs = new HashMap({ key: u32, value: Pair, maxEntries: 8 });
export const program = sockOps((ctx) => {
  const pair = pairs.get(ctx.mss);
  pairs.delete(ctx.sndCwnd); //~ stale-reference
  if (pair) pair.a = 9;
  return 1;
});
