import { array, ArrayMap, license, struct, u8 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
class Part extends struct({ bytes: array(u8, 400) }) {}
const parts = new ArrayMap({ value: Part, maxEntries: 2 });
export const program = sockOps((ctx) => {
  const a = new Part();
  const b = new Part();
  a.bytes[0] = 1;
  b.bytes[0] = 2;
  parts.set(0, a);
  parts.set(1, b);
  parts.set(1, a);
  return 1;
});
