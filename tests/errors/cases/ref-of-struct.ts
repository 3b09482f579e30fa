import { HashMap, license, struct, u32 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
class Entry extends struct({ n: u32 }) {}
const entries = new HashMap({ key: u32, value: Entry, maxEntries: 8 });
export const program = sockOps((ctx) => {
  if (entries.ref(1)) ctx.reply = 1; //~ ref-of-struct
  return 1;
});
