/** The domain of the range analysis: an unsigned and a signed interval and the bits that may be set, and what comparisons say of them. */
import { INVERSE, signed } from "../ir/evaluate.ts";
import type { CompareOp } from "../ir/ir.ts";

export interface Range {
  readonly min: bigint;
  readonly max: bigint;
  readonly smin: bigint;
  readonly smax: bigint;
  /** Bits that may be set. */
  readonly bits: bigint;
}

const anything = (top: bigint): Range => ({
  min: 0n,
  max: 2n * top - 1n,
  smin: -top,
  smax: top - 1n,
  bits: 2n * top - 1n,
});
const SIGN = { 32: 1n << 31n, 64: 1n << 63n } as const;
const ANYTHING = { 32: anything(SIGN[32]), 64: anything(SIGN[64]) } as const;
/** Anything of that width. */
export const full = (width: 32 | 64): Range => ANYTHING[width];
/** One value, given unsigned. */
export const exactly = (value: bigint, width: 32 | 64): Range => {
  const s = signed(value, width);
  return { min: value, max: value, smin: s, smax: s, bits: value };
};
export const least = (a: bigint, b: bigint): bigint => (a < b ? a : b);
export const most = (a: bigint, b: bigint): bigint => (a > b ? a : b);
const LOW_BITS = Array.from({ length: 33 }, (_, bits) => (1n << BigInt(bits)) - 1n);
/** Every bit below the highest one set, too. */
export const smear = (mask: bigint): bigint => {
  if (mask <= 0n) return 0n;
  return mask <= 0xffff_ffffn ? LOW_BITS[32 - Math.clz32(Number(mask))]! : (smear(mask >> 32n) << 32n) | 0xffff_ffffn;
};

/** Lets the three views of a range sharpen each other. */
export function settle(range: Range, width: 32 | 64): Range {
  const top = SIGN[width];
  let { min, max, smin, smax } = range;
  const bits = range.bits & smear(max);
  max = least(max, bits);
  if (max < top) {
    // The sign bit is clear: both readings agree.
    smin = most(smin, min);
    smax = least(smax, max);
  } else if (min >= top) {
    smin = most(smin, min - 2n * top);
    smax = least(smax, max - 2n * top);
  }
  if (smin >= 0n) {
    min = most(min, smin);
    max = least(max, smax);
  } else if (smax < 0n) {
    min = most(min, smin + 2n * top);
    max = least(max, smax + 2n * top);
  }
  return { min, max, smin, smax, bits };
}

/** What is in both ranges. */
export const both = (a: Range, b: Range, width: 32 | 64): Range =>
  settle(
    {
      min: most(a.min, b.min),
      max: least(a.max, b.max),
      smin: most(a.smin, b.smin),
      smax: least(a.smax, b.smax),
      bits: a.bits & b.bits,
    },
    width,
  );
/** What is in one of two ranges. */
export const either = (a: Range, b: Range): Range => ({
  min: least(a.min, b.min),
  max: most(a.max, b.max),
  smin: least(a.smin, b.smin),
  smax: most(a.smax, b.smax),
  bits: a.bits | b.bits,
});
/** Whether no value is in the range: code that has one never runs. */
export const impossible = (r: Range): boolean => r.min > r.max || r.smin > r.smax;

/** What holds of `left` when `left op right` does. */
export function restrict(op: CompareOp, left: Range, right: Range, width: 32 | 64): Range {
  const any = full(width);
  switch (op) {
    case "eq":
      return both(left, right, width);
    case "ne":
      if (right.min !== right.max) return left;
      if (left.min === right.min)
        return settle(
          { ...left, min: left.min + 1n, smin: left.smin === right.smin ? left.smin + 1n : left.smin },
          width,
        );
      if (left.max === right.min)
        return settle(
          { ...left, max: left.max - 1n, smax: left.smax === right.smin ? left.smax - 1n : left.smax },
          width,
        );
      return left;
    case "ult":
      return both(left, { ...any, max: right.max - 1n }, width);
    case "ule":
      return both(left, { ...any, max: right.max }, width);
    case "ugt":
      return both(left, { ...any, min: right.min + 1n }, width);
    case "uge":
      return both(left, { ...any, min: right.min }, width);
    case "slt":
      return both(left, { ...any, smax: right.smax - 1n }, width);
    case "sle":
      return both(left, { ...any, smax: right.smax }, width);
    case "sgt":
      return both(left, { ...any, smin: right.smin + 1n }, width);
    case "sge":
      return both(left, { ...any, smin: right.smin }, width);
  }
}

/** Whether the ranges alone decide a comparison. */
export function decided(op: CompareOp, left: Range, right: Range): boolean | undefined {
  switch (op) {
    case "eq":
      if (left.min === left.max && right.min === right.max) return left.min === right.min;
      return left.max < right.min ||
        right.max < left.min ||
        left.smax < right.smin ||
        right.smax < left.smin ||
        disjointBits(left, right)
        ? false
        : undefined;
    case "ult":
      return left.max < right.min ? true : left.min >= right.max ? false : undefined;
    case "ule":
      return left.max <= right.min ? true : left.min > right.max ? false : undefined;
    case "slt":
      return left.smax < right.smin ? true : left.smin >= right.smax ? false : undefined;
    case "sle":
      return left.smax <= right.smin ? true : left.smin > right.smax ? false : undefined;
    default: {
      const opposite = decided(INVERSE[op], left, right);
      return opposite === undefined ? undefined : !opposite;
    }
  }
}
const disjointBits = (a: Range, b: Range): boolean => b.min === b.max && (b.min & ~a.bits) !== 0n;
