import { atomicAdd, Ipv4Trie, IpTrie, license, struct, u32, u64 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
class Seen extends struct({ first: u32, last: u32, packets: u64 }) {}
const four = new Ipv4Trie({ value: Seen, maxEntries: 4 });
const both = new IpTrie({ value: Seen, maxEntries: 4 });
const counts = new Ipv4Trie({ value: u64, maxEntries: 4 });
export const program = sockOps((ctx) => {
  const one = four.get(ctx.remoteIp4);
  if (one) atomicAdd(one, "last", 1);
  if (one) atomicAdd(one, "packets", 1n); //~ atomic-field
  const other = both.get(ctx.remoteIp4);
  if (other) atomicAdd(other, "packets", 1n);
  const count = counts.ref(ctx.remoteIp4);
  if (count) atomicAdd(count, "value", 1n); //~ atomic-field
  return 1;
});
