/** `tsbpf` in Node: importing a program gives its types, maps and constants. The declarations are in index.d.ts. */
import { parseIpv6 } from "../../compiler/addresses.ts";
import { onlyInBytecode } from "./map-classes.ts";
import { hostOrder, networkOrder, parseIpv4 } from "./network-order.ts";

export {
  ArrayMap,
  HashMap,
  IpTrie,
  Ipv4Trie,
  Ipv6Trie,
  LruHashMap,
  PerCpuArray,
  RingBuf,
  SkStorage,
} from "./map-classes.ts";
export { metric } from "./metric.ts";
export { array, be16, be32, be64, cstr, cstring, i32, i64, Ip6, sizeOf, struct, u16, u32, u64, u8 } from "./schema.ts";

export const htons = (host: number): symbol => networkOrder(16, BigInt(host));
export const htonl = (host: number): symbol => networkOrder(32, BigInt(host));
export const htonll = (host: bigint): symbol => networkOrder(64, host);

function toHost(bits: 16 | 32 | 64, value: symbol): bigint {
  const host = hostOrder(bits, value);
  if (host === undefined) throw new TypeError(`${String(value)} is not a be${bits}`);
  return host;
}
export const ntohs = (net: symbol): number => Number(toHost(16, net));
export const ntohl = (net: symbol): number => Number(toHost(32, net));
export const ntohll = (net: symbol): bigint => toHost(64, net);

export function ipv4(address: string): symbol {
  const value = parseIpv4(address);
  if (value === undefined) throw new TypeError(`"${address}" is not an IPv4 address such as "192.0.2.1"`);
  return networkOrder(32, value);
}

/** Four words in network order. */
export function ipv6(address: string): readonly symbol[] {
  const bytes = parseIpv6(address);
  if (!bytes) throw new TypeError(`"${address}" is not an IPv6 address such as "2001:db8::1"`);
  const view = new DataView(bytes.buffer);
  return [0, 4, 8, 12].map((at) => networkOrder(32, BigInt(view.getUint32(at))));
}

export function inPrefix(address: symbol, prefix: string): boolean {
  const [text = "", length = ""] = prefix.split("/");
  const base = parseIpv4(text);
  if (base === undefined || !/^\d{1,2}$/.test(length) || Number(length) > 32)
    throw new TypeError(`"${prefix}" is not an IPv4 prefix such as "10.0.0.0/8"`);
  const shift = 32n - BigInt(length);
  return toHost(32, address) >> shift === base >> shift;
}

/** The initial value: what a loader sets instead is known when the program is loaded. */
export const param = <T>(_type: unknown, initial: T): T => initial;
export const license = (_id: string): undefined => undefined;

export function* range(count: number, max: number = count): Iterable<number> {
  for (let index = 0; index < Math.min(count, max); index++) yield index;
}

type Comparable = number | bigint;
export const min = <T extends Comparable>(a: T, b: T): T => (b < a ? b : a);
export const max = <T extends Comparable>(a: T, b: T): T => (b > a ? b : a);
export const clamp = <T extends Comparable>(value: T, low: T, high: T): T => min(max(value, low), high);

export const ktimeNs = (): never => onlyInBytecode("ktimeNs()");
export const randomU32 = (): never => onlyInBytecode("randomU32()");
export const log = (): never => onlyInBytecode("log");
export const atomicAdd = (): never => onlyInBytecode("atomicAdd()");
