import { ArrayMap, license, struct, u32 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
class Pair extends struct({ a: u32, b: u32 }) {}
class Box extends struct({ p: Pair, q: Pair }) {}
export const out = new ArrayMap({ value: Box, maxEntries: 1 });
export const program = sockOps(() => {
  const o = out.get(0);
  const pair = new Pair({ a: 1 });
  o.p = pair;
  pair.a = 9; //~ copy-written
  return 1;
});
