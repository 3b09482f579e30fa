import { HashMap, license, u32 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const program = sockOps((ctx) => {
  const seen = new HashMap({ key: u32, value: u32, maxEntries: 8 }); //~ map-not-constant
  seen.set(1, 1);
  return 1;
});
