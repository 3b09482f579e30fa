import { Ipv4Trie, license, u8 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
const trusted = new Ipv4Trie({ value: u8, maxEntries: 8 });
export const program = sockOps((ctx) => {
  trusted.delete(ctx.remoteIp4); //~ map-method
  return 1;
});
