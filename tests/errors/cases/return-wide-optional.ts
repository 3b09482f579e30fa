import { HashMap, license, u32, u64 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
const bytes = new HashMap({ key: u32, value: u64, maxEntries: 8 });
function of(key: u32): u64 | undefined {
  return bytes.get(key); //~ return-wide-optional
}
export const program = sockOps((ctx) => {
  if (of(1)) ctx.reply = 1;
  return 1;
});
