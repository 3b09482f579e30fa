import { HashMap, license, u32 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
const none = new HashMap({ key: u32, value: u32, maxEntries: 0 }); //~ count-range
export const program = sockOps((ctx) => {
  none.delete(1);
  return 1;
});
