import { ArrayMap, license, struct, u32 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
class Pair extends struct({ a: u32, b: u32 }) {}
class Box extends struct({ p: Pair, q: Pair }) {}
export const out = new ArrayMap({ value: Box, maxEntries: 1 });
export const program = sockOps(() => {
  const o = out.get(0);
  const part = o.p;
  o.p = new Pair({ a: 1 }); //~ reference-replaced
  part.a = 9;
  const other = o.q;
  reset(o); //~ reference-replaced
  other.a = 9;
  return 1;
});
function reset(box: Box) {
  box.q = new Pair();
}
