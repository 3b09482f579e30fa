import { ArrayMap, cstr, cstring, license } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const names = new ArrayMap({ value: cstring(4), maxEntries: 1, initial: [cstr("cubic", 4)] }); //~ string-too-long
export const program = sockOps((ctx) => {
  ctx.reply = 1;
  return 1;
});
