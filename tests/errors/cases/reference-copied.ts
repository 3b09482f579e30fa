import { ArrayMap, license, struct, u32 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
class Pair extends struct({ a: u32, b: u32 }) {}
class Box extends struct({ p: Pair, q: Pair }) {}
export const out = new ArrayMap({ value: Box, maxEntries: 1 });
export const program = sockOps(() => {
  const o = out.get(0);
  let part = new Pair();
  part = o.p; //~ reference-copied
  part.a = 9;
  last = o.q; //~ reference-copied
  return last.a + 1 > 0 ? 1 : 0;
});
let last = new Pair();
