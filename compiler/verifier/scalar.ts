/**
 * What the verifier knows of a 64-bit number: its bits (tnum) and its bounds, read as signed and as unsigned, in 64 and in 32 bits.
 * Values are immutable; `settle` lets each kind of knowledge sharpen the others, with the deductions the kernel makes and no more,
 * since a sharper verifier than the kernel's would accept what the kernel rejects.
 */
import { NEWEST_RULES, type Rules } from "../bpf/verifier-rules.ts";
import * as tnum from "./tnum.ts";
import { U32, U64, type Tnum } from "./tnum.ts";

export interface Scalar {
  readonly bits: Tnum;
  readonly smin: bigint;
  readonly smax: bigint;
  readonly umin: bigint;
  readonly umax: bigint;
  readonly s32min: number;
  readonly s32max: number;
  readonly u32min: number;
  readonly u32max: number;
}
/** A scalar in the making. */
export type Draft = { -readonly [K in keyof Scalar]: Scalar[K] };

export const S64_MIN = -(1n << 63n);
export const S64_MAX = (1n << 63n) - 1n;
export const S32_MIN = -0x8000_0000;
export const S32_MAX = 0x7fff_ffff;
export const U32_MAX = 0xffff_ffff;

export const s64 = (x: bigint): bigint => BigInt.asIntN(64, x);
export const u64 = (x: bigint): bigint => BigInt.asUintN(64, x);
/** The low half as a signed or unsigned number. */
export const low32s = (x: bigint): number => Number(BigInt.asIntN(32, x));
export const low32u = (x: bigint): number => Number(BigInt.asUintN(32, x));

export const max = (a: bigint, b: bigint): bigint => (a > b ? a : b);
export const min = (a: bigint, b: bigint): bigint => (a < b ? a : b);

const ALL64 = { smin: S64_MIN, smax: S64_MAX, umin: 0n, umax: U64 } as const;
const ALL32 = { s32min: S32_MIN, s32max: S32_MAX, u32min: 0, u32max: U32_MAX } as const;
export const forget64 = (d: Draft): Draft => Object.assign(d, ALL64);
export const forget32 = (d: Draft): Draft => Object.assign(d, ALL32);

export const ANYTHING: Scalar = { bits: tnum.UNKNOWN, ...ALL64, ...ALL32 };
export const draft = (s: Scalar): Draft => ({ ...s });

const constants = new Map<bigint, Scalar>();
/** Exactly this value (of which the low 64 bits count). */
export function known(value: bigint): Scalar {
  const unsigned = u64(value);
  const cached = constants.get(unsigned);
  if (cached !== undefined) return cached;
  const signed = s64(value);
  const low = low32s(value);
  const scalar: Scalar = {
    bits: tnum.constant(unsigned),
    smin: signed,
    smax: signed,
    umin: unsigned,
    umax: unsigned,
    s32min: low,
    s32max: low,
    u32min: low >>> 0,
    u32max: low >>> 0,
  };
  if (constants.size < 4096) constants.set(unsigned, scalar);
  return scalar;
}
export const ZERO = known(0n);

/** Whether the bits are all known. (Contradictory bounds on dead paths do not matter to the kernel here either.) */
export const isKnown = (s: Scalar): boolean => s.bits.mask === 0n;
export const isKnown32 = (s: Scalar): boolean => (s.bits.mask & U32) === 0n;
export const isZero = (s: Scalar): boolean => s.bits.mask === 0n && s.bits.value === 0n;

/** Bounds follow from the bits. */
export function boundsFromBits(d: Draft, rules: Rules): void {
  const { value, mask } = d.bits;
  const low = low32u(value);
  const lowMask = low32u(mask);
  d.s32min = Math.max(d.s32min, low | (lowMask & S32_MIN) | 0);
  d.s32max = Math.min(d.s32max, low | (lowMask & S32_MAX) | 0);
  d.u32min = Math.max(d.u32min, low);
  d.u32max = Math.min(d.u32max, (low | lowMask) >>> 0);
  d.smin = max(d.smin, s64(value | (mask & (1n << 63n))));
  d.smax = min(d.smax, s64(value | (mask & BigInt("0x7fffffffffffffff"))));
  d.umin = max(d.umin, value);
  d.umax = min(d.umax, value | mask);
  if (!rules.singleValues) return;
  if (mask !== 0n) singleValue(d);
  else if (d.umin !== value || d.umax < value) Object.assign(d, known(value));
}

/** The range and the bits may have but one value in common. */
function singleValue(d: Draft): void {
  const { bits, umin, umax } = d;
  const member = (umin & ~bits.mask & U64) === bits.value;
  if (bits.mask === U64) {
    if (umin + 1n > umax) Object.assign(d, known(umin));
    return;
  }
  const next = tnum.nextAbove(bits, umin);
  if (member) {
    if (next > umax) Object.assign(d, known(umin));
  } else if (next === (bits.value | bits.mask)) Object.assign(d, known(next));
  else if (next <= umax && tnum.nextAbove(bits, next) > umax) Object.assign(d, known(next));
}
/** The 32-bit half of `boundsFromBits`. */
export function bounds32FromBits(d: Draft): void {
  const low = low32u(d.bits.value);
  const lowMask = low32u(d.bits.mask);
  d.s32min = Math.max(d.s32min, low | (lowMask & S32_MIN) | 0);
  d.s32max = Math.min(d.s32max, low | (lowMask & S32_MAX) | 0);
  d.u32min = Math.max(d.u32min, low);
  d.u32max = Math.min(d.u32max, (low | lowMask) >>> 0);
}

/** 32-bit bounds follow from 64-bit ones where the upper halves agree, and signed from unsigned where no sign boundary lies between. */
function deduce32(d: Draft): void {
  const umin = low32u(d.umin);
  const umax = low32u(d.umax);
  if (d.umin >> 32n === d.umax >> 32n) {
    d.u32min = Math.max(d.u32min, umin);
    d.u32max = Math.min(d.u32max, umax);
    if ((umin | 0) <= (umax | 0)) {
      d.s32min = Math.max(d.s32min, umin | 0);
      d.s32max = Math.min(d.s32max, umax | 0);
    }
  }
  const smin = low32u(d.smin);
  const smax = low32u(d.smax);
  const upperMin = d.smin >> 32n;
  const upperMax = d.smax >> 32n;
  if (upperMin === upperMax) {
    if (smin <= smax) {
      d.u32min = Math.max(d.u32min, smin);
      d.u32max = Math.min(d.u32max, smax);
    }
    if ((smin | 0) <= (smax | 0)) {
      d.s32min = Math.max(d.s32min, smin | 0);
      d.s32max = Math.min(d.s32max, smax | 0);
    }
  }
  // The upper halves are neighbours and the lower ones run from negative to non-negative: one unbroken 32-bit signed range.
  if (BigInt.asUintN(32, (d.umin >> 32n) + 1n) === d.umax >> 32n && (umin | 0) < 0 && (umax | 0) >= 0) {
    d.s32min = Math.max(d.s32min, umin | 0);
    d.s32max = Math.min(d.s32max, umax | 0);
  }
  if (BigInt.asUintN(32, upperMin + 1n) === BigInt.asUintN(32, upperMax) && (smin | 0) < 0 && (smax | 0) >= 0) {
    d.s32min = Math.max(d.s32min, smin | 0);
    d.s32max = Math.min(d.s32max, smax | 0);
  }
  if ((d.u32min | 0) <= (d.u32max | 0)) {
    d.s32min = Math.max(d.s32min, d.u32min | 0);
    d.s32max = Math.min(d.s32max, d.u32max | 0);
  }
  if (d.s32min >>> 0 <= d.s32max >>> 0) {
    d.u32min = Math.max(d.s32min >>> 0, d.u32min);
    d.u32max = Math.min(d.s32max >>> 0, d.u32max);
  } else if (d.u32max < d.s32min >>> 0) {
    // The signed range covers both ends of the unsigned one; here only the lower end is left ...
    d.s32min = d.u32min | 0;
    d.u32max = Math.min(d.u32max, d.s32max >>> 0);
  } else if (d.s32max >>> 0 < d.u32min) {
    // ... and here only the upper.
    d.s32max = d.u32max | 0;
    d.u32min = Math.max(d.u32min, d.s32min >>> 0);
  }
}

function deduce64(d: Draft): void {
  const umin = s64(d.umin);
  const umax = s64(d.umax);
  if (umin <= umax) {
    d.smin = max(d.smin, umin);
    d.smax = min(d.smax, umax);
  }
  const smin = u64(d.smin);
  const smax = u64(d.smax);
  if (smin <= smax) {
    d.umin = max(smin, d.umin);
    d.umax = min(smax, d.umax);
  } else if (d.umax < smin) {
    // The signed range covers both ends of the unsigned one; here only the lower end is left ...
    d.smin = s64(d.umin);
    d.umax = min(d.umax, smax);
  } else if (smax < d.umin) {
    // ... and here only the upper.
    d.smax = s64(d.umax);
    d.umin = max(d.umin, smin);
  }
}

/** 64-bit bounds follow from 32-bit ones, by replacing the lower halves. */
function deduceMixed(d: Draft): void {
  const high = (x: bigint): bigint => (x >> 32n) << 32n;
  const tighten = (low: number, up: number): void => {
    const from = BigInt(low);
    const to = BigInt(up);
    d.umin = max(d.umin, high(d.umin) | from);
    d.umax = min(d.umax, high(d.umax) | to);
    d.smin = max(d.smin, high(d.smin) + from);
    d.smax = min(d.smax, high(d.smax) + to);
  };
  tighten(d.u32min, d.u32max);
  if (d.s32min >>> 0 <= d.s32max >>> 0) tighten(d.s32min >>> 0, d.s32max >>> 0);
  // After a sign-extending load the value fits 32 signed bits; where the low half is not negative, the whole is the low half.
  if (d.s32min >= 0 && d.smin >= BigInt(S32_MIN) && d.smax <= BigInt(S32_MAX)) {
    d.smin = d.umin = BigInt(d.s32min);
    d.smax = d.umax = BigInt(d.s32max);
    d.bits = tnum.intersect(d.bits, tnum.range(d.smin, d.smax));
  }
}

function deduce(d: Draft): void {
  deduce32(d);
  deduce64(d);
  deduceMixed(d);
}

/** Bits follow from bounds. */
function bitsFromBounds(d: Draft, rules: Rules): void {
  const whole = tnum.intersect(d.bits, tnum.range(d.umin, d.umax));
  const before = tnum.low32(rules.lowBitsFromWhole ? whole : d.bits);
  const low = tnum.intersect(before, tnum.range(BigInt(d.u32min), BigInt(d.u32max)));
  d.bits = { value: (whole.value & ~U32 & U64) | low.value, mask: (whole.mask & ~U32 & U64) | low.mask };
}

/** Every part of the knowledge sharpens the others. The draft becomes the value: do not change it afterwards. */
export function settle(d: Draft, rules: Rules): Scalar {
  boundsFromBits(d, rules);
  if (!rules.mixedWidths) {
    deduceSign32(d);
    deduceSign64(d);
    bitsFromBounds(d, rules);
    boundsFromBits(d, rules);
    return d;
  }
  // Three rounds, unless one brings nothing new.
  for (let round = 0; round < 3; round++) {
    const { smin, smax, umin, umax, s32min, s32max, u32min, u32max } = d;
    deduce(d);
    if (d.s32min !== s32min || d.s32max !== s32max || d.u32min !== u32min || d.u32max !== u32max) continue;
    if (d.smin === smin && d.smax === smax && d.umin === umin && d.umax === umax) break;
  }
  bitsFromBounds(d, rules);
  boundsFromBits(d, rules);
  return d;
}

/**
 * Where the widths are kept apart: signed and unsigned bounds are the same unless they cross the sign boundary; one that does not
 * cross it tells the sign of the other.
 */
function deduceSign32(d: Draft): void {
  const unite = (low: number, up: number): void => {
    d.s32min = low | 0;
    d.u32min = low;
    d.s32max = up | 0;
    d.u32max = up;
  };
  const low = Math.max(d.s32min >>> 0, d.u32min);
  const up = Math.min(d.s32max >>> 0, d.u32max);
  if (d.s32min >= 0 || d.s32max < 0) unite(low, up);
  else if ((d.u32max | 0) >= 0) unite(d.u32min, up);
  else if ((d.u32min | 0) < 0) unite(low, d.u32max);
}
function deduceSign64(d: Draft): void {
  const unite = (low: bigint, up: bigint): void => {
    d.smin = s64(low);
    d.umin = low;
    d.smax = s64(up);
    d.umax = up;
  };
  const low = max(u64(d.smin), d.umin);
  const up = min(u64(d.smax), d.umax);
  if (d.smin >= 0n || d.smax < 0n) unite(low, up);
  else if (s64(d.umax) >= 0n) unite(d.umin, up);
  else if (s64(d.umin) < 0n) unite(low, d.umax);
}

/** Where the widths are kept apart: after something 32-bit was learned, the whole is known by its lower half or by its bits alone. */
export function wholeFromLow(d: Draft, rules: Rules): Scalar {
  if (d.bits.value >> 32n === 0n && d.bits.mask >> 32n === 0n) zeroExtend(d);
  else forget64(d);
  return settle(d, rules);
}
/** And after something 64-bit was learned, the lower half is known by the whole or by its bits alone. */
export function lowFromWhole(d: Draft, rules: Rules): Scalar {
  forget32(d);
  if (
    d.smin >= BigInt(S32_MIN) &&
    d.smin <= BigInt(S32_MAX) &&
    d.smax >= BigInt(S32_MIN) &&
    d.smax <= BigInt(S32_MAX)
  ) {
    d.s32min = Number(d.smin);
    d.s32max = Number(d.smax);
  }
  if (d.umin <= U32 && d.umax <= U32) {
    d.u32min = Number(d.umin);
    d.u32max = Number(d.umax);
  }
  return settle(d, rules);
}

/** Takes the 32-bit knowledge for the whole, as a 32-bit operation zero-extends. Does not settle. */
export function zeroExtend(d: Draft): void {
  d.bits = tnum.low32(d.bits);
  d.umin = BigInt(d.u32min);
  d.umax = BigInt(d.u32max);
  if (d.s32min >= 0 && d.s32max >= 0) {
    d.smin = BigInt(d.s32min);
    d.smax = BigInt(d.s32max);
  } else {
    d.smin = 0n;
    d.smax = U32;
  }
}

/** Zero-extension of the low 1, 2 or 4 bytes. */
export function truncate(s: Scalar, bytes: number, rules: Rules): Scalar {
  const d = draft(s);
  d.bits = tnum.truncate(s.bits, bytes);
  const mask = (1n << BigInt(bytes * 8)) - 1n;
  if ((d.umin & ~mask) === (d.umax & ~mask)) {
    d.umin &= mask;
    d.umax &= mask;
  } else {
    d.umin = 0n;
    d.umax = mask;
  }
  d.smin = d.umin;
  d.smax = d.umax;
  if (!rules.mixedWidths) return bytes < 4 ? lowFromWhole(d, rules) : d;
  if (bytes < 4) forget32(d);
  return settle(d, rules);
}

const unsigned = new Map<number, Scalar>();
/** Any value of that many bytes, zero-extended. */
export function anyOfBytes(bytes: number): Scalar {
  if (bytes === 8) return ANYTHING;
  let made = unsigned.get(bytes);
  if (made === undefined) unsigned.set(bytes, (made = truncate(ANYTHING, bytes, NEWEST_RULES)));
  return made;
}

/** Bits needed to hold the value. */
export const width = (s: Scalar): number => tnum.bitsOf(s.umax);

/** Whether every value of `inner` is one of `outer`, bound by bound. */
export const within = (outer: Scalar, inner: Scalar): boolean =>
  outer === inner ||
  (outer.umin <= inner.umin &&
    outer.umax >= inner.umax &&
    outer.smin <= inner.smin &&
    outer.smax >= inner.smax &&
    outer.u32min <= inner.u32min &&
    outer.u32max >= inner.u32max &&
    outer.s32min <= inner.s32min &&
    outer.s32max >= inner.s32max &&
    tnum.contains(outer.bits, inner.bits));

export const same = (a: Scalar, b: Scalar): boolean =>
  a === b ||
  (a.bits.value === b.bits.value &&
    a.bits.mask === b.bits.mask &&
    a.umin === b.umin &&
    a.umax === b.umax &&
    a.smin === b.smin &&
    a.smax === b.smax &&
    a.u32min === b.u32min &&
    a.u32max === b.u32max &&
    a.s32min === b.s32min &&
    a.s32max === b.s32max);

/** Whether a concrete 64-bit value is one of those described; what the differential tests ask of every register at every step. */
export function includes(s: Scalar, value: bigint): boolean {
  const unsignedValue = u64(value);
  const signedValue = s64(value);
  const low = low32s(value);
  return (
    unsignedValue >= s.umin &&
    unsignedValue <= s.umax &&
    signedValue >= s.smin &&
    signedValue <= s.smax &&
    low >>> 0 >= s.u32min &&
    low >>> 0 <= s.u32max &&
    low >= s.s32min &&
    low <= s.s32max &&
    (unsignedValue & ~s.bits.mask & U64) === s.bits.value
  );
}

/** As in the kernel's log: the constant, or the bounds that say something. */
export function show(s: Scalar): string {
  if (isKnown(s)) return String(s.smin);
  const parts: string[] = [];
  const hex = (x: bigint): string => (x >= 0n ? (x > 9999n ? `0x${x.toString(16)}` : String(x)) : String(x));
  if (s.smin !== S64_MIN) parts.push(`smin=${hex(s.smin)}`);
  if (s.smax !== S64_MAX) parts.push(`smax=${hex(s.smax)}`);
  if (s.umin !== 0n) parts.push(`umin=${hex(s.umin)}`);
  if (s.umax !== U64) parts.push(`umax=${hex(s.umax)}`);
  if (s.s32min !== S32_MIN && BigInt(s.s32min) !== s.smin) parts.push(`smin32=${s.s32min}`);
  if (s.s32max !== S32_MAX && BigInt(s.s32max) !== s.smax) parts.push(`smax32=${s.s32max}`);
  if (s.u32min !== 0 && BigInt(s.u32min) !== s.umin) parts.push(`umin32=${s.u32min}`);
  if (s.u32max !== U32_MAX && BigInt(s.u32max) !== s.umax) parts.push(`umax32=${s.u32max}`);
  if (s.bits.mask !== U64) parts.push(`var_off=${tnum.show(s.bits)}`);
  return `scalar(${parts.join(",")})`;
}
