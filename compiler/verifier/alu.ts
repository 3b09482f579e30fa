/** Arithmetic on scalars: what is known of a result, given what is known of the operands. As sharp as the kernel's verifier, not sharper. */
import type { AluName } from "../bpf/opcodes.ts";
import type { Rules } from "../bpf/verifier-rules.ts";
import * as tnum from "./tnum.ts";
import {
  ANYTHING,
  anyOfBytes,
  bounds32FromBits,
  boundsFromBits,
  draft,
  forget32,
  forget64,
  isKnown,
  isKnown32,
  known,
  low32u,
  max,
  min,
  S32_MAX,
  S32_MIN,
  S64_MAX,
  S64_MIN,
  s64,
  settle,
  truncate,
  U32_MAX,
  u64,
  zeroExtend,
  type Draft,
  type Scalar,
} from "./scalar.ts";

const U64_MAX = tnum.U64;
/** Operators of two scalars whose result the verifier follows. */
export type Binary = Exclude<AluName, "mov" | "end" | "neg" | "div" | "mod">;

const fitsS64 = (x: bigint): boolean => x >= S64_MIN && x <= S64_MAX;
const fitsS32 = (x: number): boolean => x >= S32_MIN && x <= S32_MAX;
const fitsU32 = (x: number): boolean => x >= 0 && x <= U32_MAX;

function setSigned(d: Draft, low: bigint, up: bigint): void {
  const fits = fitsS64(low) && fitsS64(up);
  d.smin = fits ? low : S64_MIN;
  d.smax = fits ? up : S64_MAX;
}
function setSigned32(d: Draft, low: number, up: number): void {
  const fits = fitsS32(low) && fitsS32(up);
  d.s32min = fits ? low : S32_MIN;
  d.s32max = fits ? up : S32_MAX;
}
/** Both ends wrap around or none does: the range is whole. One does: nothing is known. */
function setUnsigned(d: Draft, low: bigint, up: bigint, rules: Rules): void {
  const lowFits = low >= 0n && low <= U64_MAX;
  const upFits = up >= 0n && up <= U64_MAX;
  const whole = rules.wrappedSums ? lowFits === upFits : lowFits && upFits;
  d.umin = whole ? u64(low) : 0n;
  d.umax = whole ? u64(up) : U64_MAX;
}
function setUnsigned32(d: Draft, low: number, up: number, rules: Rules): void {
  const whole = rules.wrappedSums ? fitsU32(low) === fitsU32(up) : fitsU32(low) && fitsU32(up);
  d.u32min = whole ? low >>> 0 : 0;
  d.u32max = whole ? up >>> 0 : U32_MAX;
}

function addBounds(d: Draft, a: Scalar, b: Scalar, rules: Rules): void {
  setSigned32(d, a.s32min + b.s32min, a.s32max + b.s32max);
  setUnsigned32(d, a.u32min + b.u32min, a.u32max + b.u32max, rules);
  setSigned(d, a.smin + b.smin, a.smax + b.smax);
  setUnsigned(d, a.umin + b.umin, a.umax + b.umax, rules);
}

/** Adds the constant by which two values differ; `narrow`: the difference was made by 32-bit arithmetic. */
export function addDifference(a: Scalar, b: Scalar, narrow: boolean, rules: Rules): Scalar {
  const d = draft(a);
  addBounds(d, a, b, rules);
  d.bits = tnum.add(a.bits, b.bits);
  if (narrow) zeroExtend(d);
  return rules.differenceLinks ? settle(d, rules) : d;
}

/** Byte swaps keep track of bits alone; all but the 64-bit ones zero-extend. `swaps`: the order is not the machine's already. */
export function byteOrder(a: Scalar, bits: 16 | 32 | 64, swaps: boolean, rules: Rules): Scalar {
  if (!rules.byteSwaps) return ANYTHING;
  const swapped = swaps ? settle({ ...ANYTHING, bits: tnum.swapBytes(a.bits, bits / 8) }, rules) : a;
  return bits === 64 ? swapped : truncate(swapped, bits / 8, rules);
}

function subtractBounds(d: Draft, a: Scalar, b: Scalar, rules: Rules): void {
  setSigned32(d, a.s32min - b.s32max, a.s32max - b.s32min);
  setUnsigned32(d, a.u32min - b.u32max, a.u32max - b.u32min, rules);
  setSigned(d, a.smin - b.smax, a.smax - b.smin);
  setUnsigned(d, a.umin - b.umax, a.umax - b.umin, rules);
}

/** Products of small numbers that are not negative, which is all that the signed and unsigned ranges agree on. */
function multiplySmall(d: Draft, a: Scalar, b: Scalar): void {
  if (a.s32min < 0 || b.s32min < 0 || a.u32max > 0xffff || b.u32max > 0xffff) forget32(d);
  else {
    d.u32min = a.u32min * b.u32min;
    d.u32max = a.u32max * b.u32max;
    const fits = d.u32max <= S32_MAX;
    d.s32min = fits ? d.u32min : S32_MIN;
    d.s32max = fits ? d.u32max : S32_MAX;
  }
  if (a.smin < 0n || b.smin < 0n || a.umax > tnum.U32 || b.umax > tnum.U32) forget64(d);
  else {
    d.umin = a.umin * b.umin;
    d.umax = a.umax * b.umax;
    const fits = d.umax <= S64_MAX;
    d.smin = fits ? d.umin : S64_MIN;
    d.smax = fits ? d.umax : S64_MAX;
  }
}

function multiplyBounds(d: Draft, a: Scalar, b: Scalar): void {
  const up32 = BigInt(a.u32max) * BigInt(b.u32max);
  const fits32 = up32 <= BigInt(U32_MAX);
  d.u32min = fits32 ? a.u32min * b.u32min : 0;
  d.u32max = fits32 ? Number(up32) : U32_MAX;
  const corners32 = [a.s32min, a.s32max].flatMap((x) => [b.s32min, b.s32max].map((y) => BigInt(x) * BigInt(y)));
  const overflows32 = corners32.some((x) => x < BigInt(S32_MIN) || x > BigInt(S32_MAX));
  d.s32min = overflows32 ? S32_MIN : Number(corners32.reduce(min));
  d.s32max = overflows32 ? S32_MAX : Number(corners32.reduce(max));
  const up = a.umax * b.umax;
  d.umin = up <= U64_MAX ? a.umin * b.umin : 0n;
  d.umax = up <= U64_MAX ? up : U64_MAX;
  const corners = [a.smin * b.smin, a.smin * b.smax, a.smax * b.smin, a.smax * b.smax];
  const overflows = corners.some((x) => !fitsS64(x));
  d.smin = overflows ? S64_MIN : corners.reduce(min);
  d.smax = overflows ? S64_MAX : corners.reduce(max);
}

function become32(d: Draft, low: number): void {
  const fixed = known(BigInt(low >>> 0));
  d.u32min = d.u32max = low >>> 0;
  d.s32min = d.s32max = fixed.s32min;
  d.bits = tnum.withLow32(d.bits, fixed.bits);
}

/** and, or, xor: `d.bits` is the result's already; `unsignedBounds` gives the unsigned range of each width. */
function bitwise(
  d: Draft,
  a: Scalar,
  b: Scalar,
  bounds32: () => readonly [number, number],
  bounds64: () => readonly [bigint, bigint],
  rules: Rules,
): void {
  if (isKnown32(a) && isKnown32(b)) become32(d, low32u(d.bits.value));
  else {
    [d.u32min, d.u32max] = bounds32();
    const keepsSign = rules.signsOfBitwise ? (d.u32min | 0) <= (d.u32max | 0) : a.s32min >= 0 && b.s32min >= 0;
    d.s32min = keepsSign ? d.u32min | 0 : S32_MIN;
    d.s32max = keepsSign ? d.u32max | 0 : S32_MAX;
  }
  if (isKnown(a) && isKnown(b)) {
    Object.assign(d, known(d.bits.value));
    return;
  }
  [d.umin, d.umax] = bounds64();
  const keepsSign = rules.signsOfBitwise ? s64(d.umin) <= s64(d.umax) : a.smin >= 0n && b.smin >= 0n;
  d.smin = keepsSign ? s64(d.umin) : S64_MIN;
  d.smax = keepsSign ? s64(d.umax) : S64_MAX;
  boundsFromBits(d, rules);
}

/** Shifts by a constant that the instruction's width allows. */
const shifts: Record<"lsh" | "rsh" | "arsh", (d: Draft, a: Scalar, by: number, wide: boolean, rules: Rules) => void> = {
  lsh(d, a, by, wide, rules) {
    const n = BigInt(by);
    if (wide) {
      // Shifting by 32 moves the low half up, so the 32-bit signed bounds become the 64-bit ones.
      d.smin = by === 32 ? BigInt(a.s32min) << 32n : S64_MIN;
      d.smax = by === 32 ? BigInt(a.s32max) << 32n : S64_MAX;
      const fits = a.umax <= 1n << (63n - n);
      d.umin = fits ? a.umin << n : 0n;
      d.umax = fits ? a.umax << n : U64_MAX;
    }
    d.s32min = S32_MIN;
    d.s32max = S32_MAX;
    const fits32 = by <= 31 && a.u32max <= 2 ** (31 - by);
    d.u32min = fits32 ? (a.u32min << by) >>> 0 : 0;
    d.u32max = fits32 ? (a.u32max << by) >>> 0 : U32_MAX;
    if (wide) {
      d.bits = tnum.shiftLeft(a.bits, n);
      boundsFromBits(d, rules);
    } else {
      d.bits = tnum.low32(tnum.shiftLeft(tnum.low32(a.bits), n));
      forget64(d);
      bounds32FromBits(d);
    }
  },
  rsh(d, a, by, wide, rules) {
    const n = BigInt(by);
    if (wide) {
      d.smin = S64_MIN;
      d.smax = S64_MAX;
      d.bits = tnum.shiftRight(a.bits, n);
      d.umin = a.umin >> n;
      d.umax = a.umax >> n;
      forget32(d);
      boundsFromBits(d, rules);
    } else {
      d.s32min = S32_MIN;
      d.s32max = S32_MAX;
      d.bits = tnum.shiftRight(tnum.low32(a.bits), n);
      d.u32min = a.u32min >>> by;
      d.u32max = a.u32max >>> by;
      forget64(d);
      bounds32FromBits(d);
    }
  },
  arsh(d, a, by, wide, rules) {
    const n = BigInt(by);
    if (wide) {
      d.smin = a.smin >> n;
      d.smax = a.smax >> n;
      d.bits = tnum.shiftRightSigned(a.bits, n, 64);
      d.umin = 0n;
      d.umax = U64_MAX;
      forget32(d);
      boundsFromBits(d, rules);
    } else {
      d.s32min = a.s32min >> by;
      d.s32max = a.s32max >> by;
      d.bits = tnum.shiftRightSigned(tnum.low32(a.bits), n, 32);
      d.u32min = 0;
      d.u32max = U32_MAX;
      forget64(d);
      bounds32FromBits(d);
    }
  },
};

/** One value, by its bits and by its bounds. */
const isConstant = (s: Scalar): boolean => isKnown(s) && s.umin === s.umax && s.smin === s.smax;

/** The plain result where both operands are constants; shifts have rules of their own. */
function ofConstants(op: Binary, a: bigint, b: bigint, wide: boolean): bigint | undefined {
  const cut = (x: bigint): bigint => BigInt.asUintN(wide ? 64 : 32, x);
  switch (op) {
    case "add":
      return cut(a + b);
    case "sub":
      return cut(a - b);
    case "mul":
      return cut(a * b);
    case "and":
      return cut(a & b);
    case "or":
      return cut(a | b);
    case "xor":
      return cut(a ^ b);
    default:
      return undefined;
  }
}

/** `a op b` in 64 bits (`wide`) or in 32 with zero-extension. */
export function binary(op: Binary, a: Scalar, b: Scalar, wide: boolean, rules: Rules): Scalar {
  if (!rules.variableOperands) {
    if (contradicts(b, wide)) return ANYTHING;
    if (!(wide ? isKnown(b) : isKnown32(b)) && op !== "add" && op !== "sub" && op !== "and") return ANYTHING;
  }
  if (isConstant(a) && isConstant(b)) {
    const sum = ofConstants(op, a.umin, b.umin, wide);
    if (sum !== undefined) return known(sum);
  }
  const d = draft(a);
  switch (op) {
    case "add":
      addBounds(d, a, b, rules);
      d.bits = tnum.add(a.bits, b.bits);
      break;
    case "sub":
      subtractBounds(d, a, b, rules);
      d.bits = tnum.sub(a.bits, b.bits);
      break;
    case "mul":
      d.bits = rules.sharpProducts ? tnum.multiply(a.bits, b.bits) : tnum.multiplyApart(a.bits, b.bits);
      if (rules.signedProducts) multiplyBounds(d, a, b);
      else multiplySmall(d, a, b);
      break;
    case "and":
      d.bits = tnum.and(a.bits, b.bits);
      bitwise(
        d,
        a,
        b,
        () => [low32u(d.bits.value), Math.min(a.u32max, b.u32max)],
        () => [d.bits.value, min(a.umax, b.umax)],
        rules,
      );
      break;
    case "or":
      d.bits = tnum.or(a.bits, b.bits);
      bitwise(
        d,
        a,
        b,
        () => [Math.max(a.u32min, b.u32min), low32u(d.bits.value | d.bits.mask)],
        () => [max(a.umin, b.umin), d.bits.value | d.bits.mask],
        rules,
      );
      break;
    case "xor":
      d.bits = tnum.xor(a.bits, b.bits);
      bitwise(
        d,
        a,
        b,
        () => [low32u(d.bits.value), low32u(d.bits.value | d.bits.mask)],
        () => [d.bits.value, d.bits.value | d.bits.mask],
        rules,
      );
      break;
    case "lsh":
    case "rsh":
    case "arsh": {
      const amount = shiftAmount(b, wide);
      // What is forgotten in a 32-bit operation of older releases is zero-extended all the same.
      if (amount === undefined) return rules.variableOperands || wide ? ANYTHING : anyOfBytes(4);
      shifts[op](d, a, amount, wide, rules);
      break;
    }
  }
  if (!wide) zeroExtend(d);
  return settle(d, rules);
}

/** An operand whose bounds and bits do not fit together, as on a path that cannot be taken: the result is anything. */
export function contradicts(b: Scalar, wide: boolean): boolean {
  if (wide) return (isKnown(b) && (b.smin !== b.smax || b.umin !== b.umax)) || b.smin > b.smax || b.umin > b.umax;
  return (
    (isKnown32(b) && (b.s32min !== b.s32max || b.u32min !== b.u32max)) || b.s32min > b.s32max || b.u32min > b.u32max
  );
}

/** Quotients and remainders: anything; of a constant divisor in 32 bits, on older releases, anything that fits. */
export function quotient(b: Scalar, wide: boolean, rules: Rules): Scalar {
  return rules.variableOperands || wide || !isKnown32(b) || contradicts(b, wide) ? ANYTHING : anyOfBytes(4);
}

/** The amount, if it is one constant that the width allows. */
function shiftAmount(b: Scalar, wide: boolean): number | undefined {
  const fixed = wide
    ? isKnown(b) && b.smin === b.smax && b.umin === b.umax
    : isKnown32(b) && b.s32min === b.s32max && b.u32min === b.u32max;
  return fixed && b.umax < (wide ? 64n : 32n) ? Number(b.umax) : undefined;
}

export function negate(a: Scalar, wide: boolean, rules: Rules): Scalar {
  return rules.negation ? binary("sub", known(0n), a, wide, rules) : ANYTHING;
}

const SIGNED_RANGE = { 8: [-128n, 127n], 16: [-32768n, 32767n], 32: [-0x8000_0000n, 0x7fff_ffffn] } as const;
export type SignBits = keyof typeof SIGNED_RANGE;

/** Sign extension of the low bits to 64. */
export function signExtend(a: Scalar, bits: SignBits): Scalar {
  if (isKnown(a)) return known(BigInt.asIntN(bits, a.bits.value));
  const n = BigInt(bits);
  const [least, most] = SIGNED_RANGE[bits];
  if (a.smin >> n === a.smax >> n) {
    const ends = [BigInt.asIntN(bits, a.smax), BigInt.asIntN(bits, a.smin)] as const;
    const low = min(...ends);
    const up = max(...ends);
    if (low >= 0n === up >= 0n)
      return {
        bits: tnum.range(low, up),
        smin: low,
        smax: up,
        umin: u64(low),
        umax: u64(up),
        s32min: Number(low),
        s32max: Number(up),
        u32min: low32u(low),
        u32max: low32u(up),
      };
  }
  return { ...ANYTHING, smin: least, smax: most, s32min: Number(least), s32max: Number(most) };
}

/** Sign extension of the low 8 or 16 bits to 32, zero-extended to 64. */
export function signExtend32(a: Scalar, bits: 8 | 16, rules: Rules): Scalar {
  const d = draft(a);
  if (isKnown(a)) {
    const value = BigInt.asIntN(bits, a.bits.value);
    Object.assign(d, known(value));
  } else {
    const [least, most] = SIGNED_RANGE[bits];
    const shrink = bits === 8 ? (x: number) => (x << 24) >> 24 : (x: number) => (x << 16) >> 16;
    const low = Math.min(shrink(a.s32min), shrink(a.s32max));
    const up = Math.max(shrink(a.s32min), shrink(a.s32max));
    if (a.s32min >>> bits === a.s32max >>> bits && low >= 0 === up >= 0) {
      d.s32min = low;
      d.s32max = up;
      d.u32min = low >>> 0;
      d.u32max = up >>> 0;
      d.bits = tnum.low32(tnum.range(BigInt(low), BigInt(up)));
    } else {
      d.s32min = Number(least);
      d.s32max = Number(most);
      d.u32min = 0;
      d.u32max = U32_MAX;
      d.bits = tnum.low32(tnum.UNKNOWN);
    }
  }
  zeroExtend(d);
  return settle(d, rules);
}

/** The low half, zero-extended: a 32-bit move. */
export function move32(a: Scalar, rules: Rules): Scalar {
  if (isKnown(a) && rules.mixedWidths) return truncate(a, 4, rules);
  const d = draft(a);
  zeroExtend(d);
  return settle(d, rules);
}
