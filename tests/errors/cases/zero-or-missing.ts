import { HashMap, license, u32 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const counts = new HashMap({ key: u32, value: u32, maxEntries: 2 });
export const program = sockOps((ctx) => {
  const count = counts.get(1);
  if (!count) ctx.reply = 1; //~ zero-or-missing
  if (counts.get(2)) ctx.reply = 2;
  ctx.reply = count ? 1 : 2; //~ zero-or-missing
  const room = count || 5; //~ zero-or-missing
  if (room > 3 && count !== undefined) ctx.reply = 3;
  return 1;
});
