/** Keys of longest-prefix-match tries as people write them: "10.0.0.0/8", "2001:db8::/32", or JSON with every field. */
import { prefixBytes, prefixText } from "../../compiler/addresses.ts";
import { sizeOf, type Layout } from "../../compiler/layout.ts";
import { decode, encode, type Value } from "./codec.ts";
import { RuntimeError } from "./errors.ts";
import { parseValue } from "./format.ts";

/** struct bpf_lpm_trie_key: 32 bits of length in host order, then the address as on the wire. */
const LENGTH_BYTES = 4;

/** A key from text, as the map's handle takes it. Throws RuntimeError. */
export function parsePrefixKey(layout: Layout, text: string): unknown {
  const size = sizeOf(layout) - LENGTH_BYTES;
  const example = size === 16 ? "2001:db8::/32, or 10.0.0.0/8, which is ::ffff:10.0.0.0/104" : "10.0.0.0/8";
  const wrong = (why: string): RuntimeError =>
    new RuntimeError("bad-value", `key: ${text} ${why}`, { help: `write a prefix, such as ${example}` });
  const found = prefixBytes(text, size);
  if (found) {
    if (found.bits === undefined) throw wrong(`is no prefix: its length goes from 0 to ${found.longest}`);
    const key = new Uint8Array(LENGTH_BYTES + size);
    new DataView(key.buffer).setUint32(0, found.bits, true);
    key.set(found.address, LENGTH_BYTES);
    return decode(layout, key);
  }
  if (!/^\s*[{[]/.test(text)) throw wrong("is neither a prefix nor an address");
  const value = parseValue(layout, text, "key");
  // A field left out is zero elsewhere; here it would be a prefix of no bits, which matches everything.
  const left = layout.kind === "struct" ? layout.fields.filter(({ name }) => !Object.hasOwn(Object(value), name)) : [];
  if (left.length > 0) throw wrong(`lacks ${left.map((field) => field.name).join(" and ")}`);
  const length = new DataView(encode(layout, value, "key").buffer).getUint32(0, true);
  if (length > size * 8) throw wrong(`has a length of ${length} bits; an address has ${size * 8}`);
  return value;
}

/** "10.0.0.0/8" for a key that was read, of IPv4 in IPv6 too; undefined when it holds no address. */
export function showPrefixKey(layout: Layout, value: Value): string | undefined {
  const bytes = encode(layout, value, "key");
  const address = bytes.subarray(LENGTH_BYTES);
  if (address.length !== 4 && address.length !== 16) return undefined;
  return prefixText(address, new DataView(bytes.buffer).getUint32(0, true));
}
