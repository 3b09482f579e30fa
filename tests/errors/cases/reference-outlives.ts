import { ArrayMap, license, struct, u32 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
class Pair extends struct({ a: u32, b: u32 }) {}
class Box extends struct({ p: Pair, q: Pair }) {}
export const out = new ArrayMap({ value: Box, maxEntries: 1 });
export const program = sockOps(() => {
  const o = out.get(0);
  let best: Pair | undefined;
  for (const one of [1, 2, 3]) {
    const pair = new Pair({ a: one });
    if (one > o.p.a) best = pair; //~ reference-outlives
  }
  if (best) o.q.a = best.a;
  return 1;
});
