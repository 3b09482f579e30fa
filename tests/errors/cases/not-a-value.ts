import { HashMap, license, u32 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
const limits = new HashMap({ key: u32, value: u32, maxEntries: 8 });
export const program = sockOps((ctx) => {
  let copy = limits; //~ not-a-value
  copy = limits;
  return 1;
});
