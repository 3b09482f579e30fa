/** IP addresses and prefixes as texts. Bits are as they lie in memory, read as a little-endian word. */

const octets = (text: string): number[] | undefined => {
  const parts = text.split(".");
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9][0-9]{0,2})$/.test(part) && Number(part) <= 255))
    return undefined;
  return parts.map(Number);
};
const word = (bytes: readonly number[]): bigint =>
  bytes.reduce((bits, byte, i) => bits | (BigInt(byte) << BigInt(8 * i)), 0n);

/** "192.0.2.1" as the word in memory; undefined when it is no address. */
export function parseIpv4(text: string): bigint | undefined {
  const bytes = octets(text);
  return bytes && word(bytes);
}

/** "10.0.0.0/8": mask and network as words in memory; `hostBits` tells whether bits outside of the prefix are set. */
export function parsePrefix(
  text: string,
): { mask: bigint; bits: bigint; hostBits: boolean; network: string } | undefined {
  const [address = "", length = "", extra] = text.split("/");
  const bytes = octets(address);
  if (!bytes || extra !== undefined || !/^(0|[1-9][0-9]?)$/.test(length) || Number(length) > 32) return undefined;
  const masks = bytes.map((_, i) => 0xff & ~(0xff >> Math.min(8, Math.max(0, Number(length) - 8 * i))));
  const network = bytes.map((byte, i) => byte & masks[i]!);
  return {
    mask: word(masks),
    bits: word(network),
    hostBits: network.some((byte, i) => byte !== bytes[i]),
    network: `${network.join(".")}/${length}`,
  };
}

/** "2001:db8::1" as 16 bytes (RFC 4291 section 2.2); undefined when it is no address. */
export function parseIpv6(text: string): Uint8Array | undefined {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const groups = (half: string): number[] | undefined => {
    if (half === "") return [];
    const parts = half.split(":");
    const last = parts[parts.length - 1]!;
    const tail = last.includes(".") ? octets(last) : [];
    if (!tail) return undefined;
    if (last.includes(".")) parts.pop();
    if (!parts.every((part) => /^[0-9a-fA-F]{1,4}$/.test(part))) return undefined;
    return [...parts.flatMap((part) => [parseInt(part, 16) >> 8, parseInt(part, 16) & 0xff]), ...tail];
  };
  const head = groups(halves[0]!);
  const tail = halves.length === 2 ? groups(halves[1]!) : [];
  if (!head || !tail) return undefined;
  const missing = 16 - head.length - tail.length;
  if (halves.length === 2 ? missing < 2 : missing !== 0) return undefined;
  return Uint8Array.from([...head, ...new Array<number>(missing).fill(0), ...tail]);
}

/** ::ffff:0:0/96. */
const MAPPED = new Uint8Array([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]);
export const isMapped = (bytes: Uint8Array): boolean =>
  bytes.length === 16 && MAPPED.every((byte, at) => bytes[at] === byte);

/** Bits before an IPv4 address in ::ffff:0:0/96. */
const MAPPED_BITS = 96;

/**
 * "10.0.0.0/8" or "2001:db8::/32" as an address of 4 or 16 bytes and how many of its bits count; an address alone counts whole.
 * IPv4 in 16 bytes is ::ffff:0:0/96. Undefined when the text holds no such address; `bits` is when the length is none, which goes to `longest`.
 */
export function prefixBytes(
  text: string,
  size: number,
): { readonly address: Uint8Array; readonly bits: number | undefined; readonly longest: number } | undefined {
  const [written = "", length, ...more] = text.split("/");
  const isIpv4 = octets(written) !== undefined;
  if (!isIpv4 && size === 4) return undefined;
  const bytes = parseIpv6(isIpv4 ? `::ffff:${written}` : written);
  if (!bytes || (size !== 4 && size !== 16)) return undefined;
  const address = bytes.subarray(16 - size);
  const before = isIpv4 && size === 16 ? MAPPED_BITS : 0;
  const longest = 8 * size - before;
  const count = length === undefined ? longest : /^\d{1,3}$/.test(length) ? Number(length) : Infinity;
  return { address, bits: more.length > 0 || count > longest ? undefined : count + before, longest };
}

/** The text of the first `bits` bits of an address: of IPv4 in IPv6 as IPv4. */
export function prefixText(address: Uint8Array, bits: number): string {
  const mapped = isMapped(address) && bits >= MAPPED_BITS;
  return mapped ? `${addressText(address.subarray(12))}/${bits - MAPPED_BITS}` : `${addressText(address)}/${bits}`;
}

/** "10.0.0.1", "2001:db8::1", or "::ffff:10.0.0.1" for IPv4 in an IPv6 socket. */
export function addressText(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join(".");
  if (isMapped(bytes)) return `::ffff:${bytes.subarray(12).join(".")}`;
  const words = Array.from({ length: 8 }, (_, index) => (bytes[2 * index]! << 8) | bytes[2 * index + 1]!);
  // The longest run of zeros is written as :: (RFC 5952).
  let best = { at: -1, length: 1 };
  for (let at = 0; at < 8; at++) {
    let length = 0;
    while (at + length < 8 && words[at + length] === 0) length++;
    if (length > best.length) best = { at, length };
  }
  const hex = words.map((word) => word.toString(16));
  if (best.at < 0) return hex.join(":");
  return `${hex.slice(0, best.at).join(":")}::${hex.slice(best.at + best.length).join(":")}`;
}
