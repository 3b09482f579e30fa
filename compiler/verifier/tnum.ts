/**
 * Tristate numbers: what is known of each bit of a 64-bit value. A bit is known (mask 0, value tells) or unknown (mask 1, value 0).
 * The operations are those of "Sound, Precise, and Fast Abstract Interpretation with Tristate Numbers" (CGO 2022).
 */
export interface Tnum {
  /** The known bits. */
  readonly value: bigint;
  /** The unknown bits; disjoint from `value`. */
  readonly mask: bigint;
}

export const U64 = 0xffff_ffff_ffff_ffffn;
export const U32 = 0xffff_ffffn;
const u64 = (x: bigint): bigint => x & U64;

export const UNKNOWN: Tnum = { value: 0n, mask: U64 };
export const constant = (value: bigint): Tnum => ({ value: u64(value), mask: 0n });
export const isConst = (t: Tnum): boolean => t.mask === 0n;

/** How many bits an unsigned number of 64 has, from its highest 1 down. */
export const bitsOf = (x: bigint): number =>
  x <= U32 ? 32 - Math.clz32(Number(x)) : 64 - Math.clz32(Number(x >> 32n));

/** The smallest tnum that holds every value from min to max (unsigned). */
export function range(min: bigint, max: bigint): Tnum {
  const low = u64(min);
  const differing = low ^ u64(max);
  const bits = bitsOf(differing);
  if (bits > 63) return UNKNOWN;
  const mask = (1n << BigInt(bits)) - 1n;
  return { value: low & ~mask & U64, mask };
}

export function add(a: Tnum, b: Tnum): Tnum {
  const masks = u64(a.mask + b.mask);
  const values = u64(a.value + b.value);
  const carries = u64(masks + values) ^ values;
  const mask = carries | a.mask | b.mask;
  return { value: values & ~mask & U64, mask };
}

export function sub(a: Tnum, b: Tnum): Tnum {
  const difference = u64(a.value - b.value);
  const borrows = u64(difference + a.mask) ^ u64(difference - b.mask);
  const mask = borrows | a.mask | b.mask;
  return { value: difference & ~mask & U64, mask };
}

export function and(a: Tnum, b: Tnum): Tnum {
  const alpha = a.value | a.mask;
  const beta = b.value | b.mask;
  const value = a.value & b.value;
  return { value, mask: alpha & beta & ~value & U64 };
}

export function or(a: Tnum, b: Tnum): Tnum {
  const value = a.value | b.value;
  return { value, mask: (a.mask | b.mask) & ~value & U64 };
}

export function xor(a: Tnum, b: Tnum): Tnum {
  const mask = a.mask | b.mask;
  return { value: (a.value ^ b.value) & ~mask & U64, mask };
}

export const shiftLeft = (t: Tnum, by: bigint): Tnum => ({ value: u64(t.value << by), mask: u64(t.mask << by) });
export const shiftRight = (t: Tnum, by: bigint): Tnum => ({ value: t.value >> by, mask: t.mask >> by });

/** Arithmetic shift of a 64- or 32-bit value; the result of the latter is zero-extended. */
export function shiftRightSigned(t: Tnum, by: bigint, bits: 32 | 64): Tnum {
  return {
    value: BigInt.asUintN(bits, BigInt.asIntN(bits, t.value) >> by),
    mask: BigInt.asUintN(bits, BigInt.asIntN(bits, t.mask) >> by),
  };
}

/** Before the union was found to be sharper: known and unknown parts of the product are summed apart. */
export function multiplyApart(a: Tnum, b: Tnum): Tnum {
  let unknown = constant(0n);
  let left = a;
  let right = b;
  while (left.value !== 0n || left.mask !== 0n) {
    if ((left.value & 1n) !== 0n) unknown = add(unknown, { value: 0n, mask: right.mask });
    else if ((left.mask & 1n) !== 0n) unknown = add(unknown, { value: 0n, mask: right.value | right.mask });
    left = shiftRight(left, 1n);
    right = shiftLeft(right, 1n);
  }
  return add(constant(a.value * b.value), unknown);
}

/** Long multiplication over a's bits; where a bit of a is unknown, the sum may or may not take part. */
export function multiply(a: Tnum, b: Tnum): Tnum {
  if (isConst(a) && isConst(b)) return constant(a.value * b.value);
  let sum = constant(0n);
  let left = a;
  let right = b;
  while (left.value !== 0n || left.mask !== 0n) {
    if ((left.value & 1n) !== 0n) sum = add(sum, right);
    else if ((left.mask & 1n) !== 0n) sum = union(sum, add(sum, right));
    left = shiftRight(left, 1n);
    right = shiftLeft(right, 1n);
  }
  return sum;
}

/** Every value of either. */
export function union(a: Tnum, b: Tnum): Tnum {
  const mask = (a.value ^ b.value) | a.mask | b.mask;
  return { value: a.value & b.value & ~mask & U64, mask };
}

/** The values of both, under the assumption that there are any. */
export function intersect(a: Tnum, b: Tnum): Tnum {
  const mask = a.mask & b.mask;
  return { value: (a.value | b.value) & ~mask & U64, mask };
}

/** Whether some value may be in both. */
export function overlap(a: Tnum, b: Tnum): boolean {
  const known = ~(a.mask | b.mask) & U64;
  return (a.value & known) === (b.value & known);
}

/** The smallest value of `t` above `z`; its largest, where none is. */
export function nextAbove(t: Tnum, z: bigint): bigint {
  const largest = t.value | t.mask;
  if (z >= largest) return largest;
  if (z < t.value) return t.value;
  const fixed = ~t.mask & U64;
  const wrong = (z ^ t.value) & fixed;
  if (wrong === 0n) return ((((z | fixed) + 1n) & t.mask) | t.value) & U64;
  const low = (1n << BigInt(bitsOf(wrong))) - 1n;
  // The highest bit that is wrong must become 1: what lies above stays. It must become 0: what lies above has to grow.
  if ((z & wrong) < (t.value & wrong)) return (z & ~low & U64) | (t.value & low);
  return ((((z | fixed | low) + 1n) & t.mask) | t.value) & U64;
}

/** Whether every value of `inner` is one of `outer`. */
export function contains(outer: Tnum, inner: Tnum): boolean {
  if ((inner.mask & ~outer.mask & U64) !== 0n) return false;
  return outer.value === (inner.value & ~outer.mask & U64);
}

/** The low `bytes` bytes in reverse order; those above are 0. */
export function swapBytes(t: Tnum, bytes: number): Tnum {
  const swap = (x: bigint): bigint => {
    let swapped = 0n;
    for (let at = 0n; at < BigInt(bytes); at++) swapped = (swapped << 8n) | ((x >> (8n * at)) & 0xffn);
    return swapped;
  };
  return { value: swap(t.value), mask: swap(t.mask) };
}

/** The low `bytes` bytes, zero-extended. */
export function truncate(t: Tnum, bytes: number): Tnum {
  const keep = (1n << BigInt(bytes * 8)) - 1n;
  return { value: t.value & keep, mask: t.mask & keep };
}
export const low32 = (t: Tnum): Tnum => ({ value: t.value & U32, mask: t.mask & U32 });
/** `t` with its low half replaced by that of `low`. */
export const withLow32 = (t: Tnum, low: Tnum): Tnum => ({
  value: (t.value & ~U32 & U64) | (low.value & U32),
  mask: (t.mask & ~U32 & U64) | (low.mask & U32),
});

export const isAligned = (t: Tnum, bytes: number): boolean => ((t.value | t.mask) & BigInt(bytes - 1)) === 0n;

/** As the kernel's log prints it: `(0x10; 0xf)`. */
export const show = (t: Tnum): string => `(0x${t.value.toString(16)}; 0x${t.mask.toString(16)})`;
