import { HashMap, Ipv4Trie, license, u8 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
const trusted = new Ipv4Trie({ value: u8, maxEntries: 8 });
const seen = new HashMap({ key: u8, value: u8, maxEntries: 8 });
export const program = sockOps((ctx) => {
  trusted.delete(ctx.remoteIp4); //~ map-method
  if (seen.remove(1) === 0) ctx.reply = 1; //~ map-method
  if (seen.delet(1) === 0) ctx.reply = 1; //~ map-method
  return 1;
});
