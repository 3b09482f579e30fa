/** Conditional jumps between scalars: whether the outcome is certain, and what each outcome tells of the operands. */
import type { Condition } from "../bpf/opcodes.ts";
import type { Rules } from "../bpf/verifier-rules.ts";
import * as tnum from "./tnum.ts";
import {
  ANYTHING,
  draft,
  known,
  low32s,
  low32u,
  lowFromWhole,
  max,
  min,
  s64,
  settle,
  wholeFromLow,
  type Draft,
  type Scalar,
} from "./scalar.ts";

/** The condition with its operands exchanged: `a < b` is `b > a`. */
export const EXCHANGED: Record<Condition, Condition> = {
  jeq: "jeq",
  jne: "jne",
  jset: "jset",
  jge: "jle",
  jgt: "jlt",
  jle: "jge",
  jlt: "jgt",
  jsge: "jsle",
  jsgt: "jslt",
  jsle: "jsge",
  jslt: "jsgt",
};
/** The condition of the other outcome; that of `jset` has no name of its own. */
const OPPOSITE: Record<Condition, Condition | "not-jset"> = {
  jeq: "jne",
  jne: "jeq",
  jset: "not-jset",
  jge: "jlt",
  jgt: "jle",
  jle: "jgt",
  jlt: "jge",
  jsge: "jslt",
  jsgt: "jsle",
  jsle: "jsgt",
  jslt: "jsge",
};

/** The one value, if all bits of the width are known. */
export function constantOf(s: Scalar, wide: boolean): bigint | undefined {
  const bits = wide ? s.bits : tnum.low32(s.bits);
  return bits.mask === 0n ? bits.value : undefined;
}

/** Whether `a condition b` holds: always (true), never (false), or it depends (undefined). */
export function decided(condition: Condition, a: Scalar, b: Scalar, wide: boolean, rules: Rules): boolean | undefined {
  if (!rules.comparedVariables) return decidedByConstant(condition, a, b, wide);
  switch (condition) {
    case "jeq":
      return equality(a, b, wide);
    case "jne": {
      const equal = equality(a, b, wide);
      return equal === undefined ? undefined : !equal;
    }
    case "jset":
      return bitTest(a, b, wide);
    default:
      return wide ? order(condition, unsignedOf(a, b, condition)) : order(condition, unsigned32Of(a, b, condition));
  }
}

/** Before variables were compared: only a constant on the right decides, and equality only by all of the bits. */
function decidedByConstant(condition: Condition, a: Scalar, b: Scalar, wide: boolean): boolean | undefined {
  const right = constantOf(b, wide);
  if (right === undefined) return undefined;
  switch (condition) {
    case "jeq":
    case "jne": {
      const left = constantOf(a, wide);
      return left === undefined ? undefined : (left === right) === (condition === "jeq");
    }
    case "jset":
      return bitTest(a, b, wide);
    default: {
      const value = known(right);
      return wide
        ? order(condition, unsignedOf(a, value, condition))
        : order(condition, unsigned32Of(a, value, condition));
    }
  }
}

function equality(a: Scalar, b: Scalar, wide: boolean): boolean | undefined {
  const left = wide ? a.bits : tnum.low32(a.bits);
  const right = wide ? b.bits : tnum.low32(b.bits);
  if (tnum.isConst(left) && tnum.isConst(right)) return left.value === right.value;
  if (!tnum.overlap(left, right)) return false;
  if (wide && (a.umin > b.umax || a.umax < b.umin || a.smin > b.smax || a.smax < b.smin)) return false;
  if (a.u32min > b.u32max || a.u32max < b.u32min || a.s32min > b.s32max || a.s32max < b.s32min) return false;
  return undefined;
}

function bitTest(a: Scalar, b: Scalar, wide: boolean): boolean | undefined {
  let value = a;
  let mask = constantOf(b, wide);
  if (mask === undefined) {
    value = b;
    mask = constantOf(a, wide);
  }
  if (mask === undefined) return undefined;
  const bits = wide ? value.bits : tnum.low32(value.bits);
  if ((bits.value & mask) !== 0n) return true;
  if (((bits.value | bits.mask) & mask) === 0n) return false;
  return undefined;
}

interface Ends<T> {
  readonly amin: T;
  readonly amax: T;
  readonly bmin: T;
  readonly bmax: T;
}
const isSigned = (condition: Condition): boolean => condition.startsWith("js") && condition !== "jset";
const unsignedOf = (a: Scalar, b: Scalar, c: Condition): Ends<bigint> =>
  isSigned(c)
    ? { amin: a.smin, amax: a.smax, bmin: b.smin, bmax: b.smax }
    : { amin: a.umin, amax: a.umax, bmin: b.umin, bmax: b.umax };
const unsigned32Of = (a: Scalar, b: Scalar, c: Condition): Ends<number> =>
  isSigned(c)
    ? { amin: a.s32min, amax: a.s32max, bmin: b.s32min, bmax: b.s32max }
    : { amin: a.u32min, amax: a.u32max, bmin: b.u32min, bmax: b.u32max };

function order<T extends bigint | number>(condition: Condition, e: Ends<T>): boolean | undefined {
  switch (condition) {
    case "jgt":
    case "jsgt":
      return e.amin > e.bmax ? true : e.amax <= e.bmin ? false : undefined;
    case "jlt":
    case "jslt":
      return e.amax < e.bmin ? true : e.amin >= e.bmax ? false : undefined;
    case "jge":
    case "jsge":
      return e.amin >= e.bmax ? true : e.amax < e.bmin ? false : undefined;
    default:
      return e.amax <= e.bmin ? true : e.amin > e.bmax ? false : undefined;
  }
}

/**
 * What is known of both operands where `a condition b` holds (or does not). On a dead path the parts may contradict each other: see
 * `repair`. A register that is compared with itself is one value, so that both sides learn in turn.
 */
export function refine(
  condition: Condition,
  holds: boolean,
  a: Scalar,
  b: Scalar | "itself",
  wide: boolean,
  rules: Rules,
): readonly [Scalar, Scalar] {
  if (!rules.comparedVariables) return refineByConstant(holds ? condition : OPPOSITE[condition], a, b, wide, rules);
  const left = draft(a);
  const right = b === "itself" ? left : draft(b);
  learn(holds ? condition : OPPOSITE[condition], left, right, wide);
  const settled = settle(left, rules);
  return [settled, settle(right, rules)];
}

/**
 * Before variables were compared: the one that is compared with a constant learns, in the width of the comparison; its other
 * half is what the bits then say. Two variables learn from being equal in 64 bits.
 */
function refineByConstant(
  condition: Condition | "not-jset",
  a: Scalar,
  b: Scalar | "itself",
  wide: boolean,
  rules: Rules,
): readonly [Scalar, Scalar] {
  const other = b === "itself" ? a : b;
  const right = constantOf(other, wide);
  const left = constantOf(a, wide);
  if (right !== undefined && b !== "itself") return [learnFrom(condition, a, right, wide, rules), b];
  if (left !== undefined && b !== "itself") {
    const exchanged = condition === "not-jset" ? condition : EXCHANGED[condition];
    return [a, learnFrom(exchanged, b, left, wide, rules)];
  }
  if (!wide || condition !== "jeq") return [a, other];
  const first = draft(a);
  const second = draft(other);
  equal(first, second, true);
  return [settle(first, rules), settle(second, rules)];
}

function learnFrom(condition: Condition | "not-jset", a: Scalar, value: bigint, wide: boolean, rules: Rules): Scalar {
  const constant = known(value);
  const d = draft(a);
  if (condition === "jeq") {
    // The bounds are not cut but replaced.
    if (wide) Object.assign(d, constant);
    else {
      d.u32min = d.u32max = constant.u32min;
      d.s32min = d.s32max = constant.s32min;
      d.bits = tnum.withLow32(d.bits, constant.bits);
    }
  } else if (condition !== "jne") learn(condition, d, draft(constant), wide);
  return wide ? lowFromWhole(d, rules) : wholeFromLow(d, rules);
}

function learn(condition: Condition | "not-jset", a: Draft, b: Draft, wide: boolean): void {
  switch (condition) {
    case "jge":
    case "jgt":
    case "jsge":
    case "jsgt":
      learn(EXCHANGED[condition], b, a, wide);
      return;
    case "jeq":
      equal(a, b, wide);
      return;
    case "jne":
      withConstant(a, b, wide, (value, constant) => exclude(value, constant, wide));
      return;
    case "jset":
      withConstant(a, b, wide, (value, mask) => {
        // Only a single bit is certain to be set.
        if (mask !== 0n && (mask & (mask - 1n)) === 0n) value.bits = tnum.or(value.bits, tnum.constant(mask));
      });
      return;
    case "not-jset":
      withConstant(a, b, wide, (value, mask) => {
        const cleared = { value: value.bits.value & ~mask, mask: value.bits.mask & ~mask };
        Object.assign(value, ANYTHING, { bits: cleared });
      });
      return;
    case "jle":
      if (wide) {
        a.umax = min(a.umax, b.umax);
        b.umin = max(a.umin, b.umin);
      } else {
        a.u32max = Math.min(a.u32max, b.u32max);
        b.u32min = Math.max(a.u32min, b.u32min);
      }
      return;
    case "jlt":
      if (wide) {
        a.umax = min(a.umax, BigInt.asUintN(64, b.umax - 1n));
        b.umin = max(BigInt.asUintN(64, a.umin + 1n), b.umin);
      } else {
        a.u32max = Math.min(a.u32max, (b.u32max - 1) >>> 0);
        b.u32min = Math.max((a.u32min + 1) >>> 0, b.u32min);
      }
      return;
    case "jsle":
      if (wide) {
        a.smax = min(a.smax, b.smax);
        b.smin = max(a.smin, b.smin);
      } else {
        a.s32max = Math.min(a.s32max, b.s32max);
        b.s32min = Math.max(a.s32min, b.s32min);
      }
      return;
    case "jslt":
      if (wide) {
        a.smax = min(a.smax, s64(b.smax - 1n));
        b.smin = max(s64(a.smin + 1n), b.smin);
      } else {
        a.s32max = Math.min(a.s32max, (b.s32max - 1) | 0);
        b.s32min = Math.max((a.s32min + 1) | 0, b.s32min);
      }
  }
}

function withConstant(a: Draft, b: Draft, wide: boolean, then: (value: Draft, constant: bigint) => void): void {
  const right = constantOf(b, wide);
  if (right !== undefined) {
    then(a, right);
    return;
  }
  const left = constantOf(a, wide);
  if (left !== undefined) then(b, left);
}

/** A value at an end of the range that it cannot be moves that end. */
function exclude(d: Draft, value: bigint, wide: boolean): void {
  if (wide) {
    if (d.umin === value) d.umin = BigInt.asUintN(64, d.umin + 1n);
    if (d.umax === value) d.umax = BigInt.asUintN(64, d.umax - 1n);
    if (d.smin === s64(value)) d.smin = s64(d.smin + 1n);
    if (d.smax === s64(value)) d.smax = s64(d.smax - 1n);
    return;
  }
  const unsigned = low32u(value);
  const signed = low32s(value);
  if (d.u32min === unsigned) d.u32min = (d.u32min + 1) >>> 0;
  if (d.u32max === unsigned) d.u32max = (d.u32max - 1) >>> 0;
  if (d.s32min === signed) d.s32min = (d.s32min + 1) | 0;
  if (d.s32max === signed) d.s32max = (d.s32max - 1) | 0;
}

function equal(a: Draft, b: Draft, wide: boolean): void {
  if (wide) {
    a.umin = b.umin = max(a.umin, b.umin);
    a.umax = b.umax = min(a.umax, b.umax);
    a.smin = b.smin = max(a.smin, b.smin);
    a.smax = b.smax = min(a.smax, b.smax);
    a.bits = b.bits = tnum.intersect(a.bits, b.bits);
    return;
  }
  a.u32min = b.u32min = Math.max(a.u32min, b.u32min);
  a.u32max = b.u32max = Math.min(a.u32max, b.u32max);
  a.s32min = b.s32min = Math.max(a.s32min, b.s32min);
  a.s32max = b.s32max = Math.min(a.s32max, b.s32max);
  const low = tnum.intersect(tnum.low32(a.bits), tnum.low32(b.bits));
  a.bits = tnum.withLow32(a.bits, low);
  b.bits = tnum.withLow32(b.bits, low);
}

/** Whether the parts of the knowledge contradict each other. The kernel then trusts the bits alone. */
export function violatesInvariants(s: Scalar): boolean {
  if (s.umin > s.umax || s.smin > s.smax || s.u32min > s.u32max || s.s32min > s.s32max) return true;
  const { value, mask } = s.bits;
  if (mask === 0n && (s.umin !== value || s.umax !== value || s.smin !== s64(value) || s.smax !== s64(value)))
    return true;
  if ((mask & tnum.U32) !== 0n) return false;
  const low = low32u(value);
  return s.u32min !== low || s.u32max !== low || s.s32min !== (low | 0) || s.s32max !== (low | 0);
}
export const repair = (s: Scalar): Scalar => (violatesInvariants(s) ? { ...ANYTHING, bits: s.bits } : s);
