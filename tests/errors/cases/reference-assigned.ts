import { ArrayMap, license, struct, u32 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
class Pair extends struct({ a: u32, b: u32 }) {}
class Box extends struct({ p: Pair, q: Pair }) {}
export const out = new ArrayMap({ value: Box, maxEntries: 1 });
export const program = sockOps(() => {
  const o = out.get(0);
  let part = o.p;
  part = new Pair({ a: 1 }); //~ reference-assigned
  part.a = 9;
  set(o.q);
  return 1;
});
function set(pair: Pair) {
  pair = new Pair(); //~ reference-assigned
  pair.a = 9;
}
