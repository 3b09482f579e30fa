/**
 * Values in network byte order, as Node sees them: registered symbols, so that two of the same value are `===` and `toEqual`,
 * and so that nobody calculates with them by accident. Their descriptions are what a failed test prints.
 */
const PREFIX = { 16: "be16 ", 32: "", 64: "be64 " } as const;
export type NetworkBits = keyof typeof PREFIX;

const dotted = (value: number): string => [24, 16, 8, 0].map((shift) => (value >>> shift) & 0xff).join(".");

/** The symbol of a value given in host order. */
export function networkOrder(bits: NetworkBits, value: bigint): symbol {
  const host = BigInt.asUintN(bits, value);
  return Symbol.for(PREFIX[bits] + (bits === 32 ? dotted(Number(host)) : host.toString()));
}

/** The value in host order; undefined if the symbol is none of that width. */
export function hostOrder(bits: NetworkBits, value: unknown): bigint | undefined {
  const text = typeof value === "symbol" ? Symbol.keyFor(value) : undefined;
  if (text === undefined) return undefined;
  if (bits !== 32) return text.startsWith(PREFIX[bits]) ? BigInt(text.slice(PREFIX[bits].length)) : undefined;
  return parseIpv4(text);
}

/** "192.0.2.1" as a number in host order; undefined if it is no address. */
export function parseIpv4(text: string): bigint | undefined {
  const parts = text.split(".");
  if (parts.length !== 4 || parts.some((part) => !/^\d{1,3}$/.test(part) || Number(part) > 255)) return undefined;
  return parts.reduce((sum, part) => (sum << 8n) | BigInt(part), 0n);
}
