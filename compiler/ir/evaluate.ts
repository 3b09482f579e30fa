/** What the operators compute, exactly as the instruction set does (RFC 9669 section 4): the rules that constant folding follows. */
import type { BinaryOp, CompareOp, Type, UnaryOp } from "./ir.ts";

export const bitsOf = (type: Type): 32 | 64 => (type === "w32" ? 32 : 64);
/** The low bits of a number, read as unsigned. */
export const unsigned = (value: bigint, bits: number): bigint => BigInt.asUintN(bits, value);
/** The low bits of a number, read as two's complement. */
export const signed = (value: bigint, bits: number): bigint => BigInt.asIntN(bits, value);

type Operation = (left: bigint, right: bigint, bits: number) => bigint;

const BINARY = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  // Division by zero gives 0, modulo by zero leaves the dividend; the least integer by -1 wraps to itself.
  udiv: (a, b) => (b === 0n ? 0n : a / b),
  sdiv: (a, b, bits) => (b === 0n ? 0n : signed(a, bits) / signed(b, bits)),
  umod: (a, b) => (b === 0n ? a : a % b),
  smod: (a, b, bits) => (b === 0n ? a : signed(a, bits) % signed(b, bits)),
  and: (a, b) => a & b,
  or: (a, b) => a | b,
  xor: (a, b) => a ^ b,
  // Shift counts are taken modulo the width.
  shl: (a, b, bits) => a << (b & BigInt(bits - 1)),
  lshr: (a, b, bits) => a >> (b & BigInt(bits - 1)),
  ashr: (a, b, bits) => signed(a, bits) >> (b & BigInt(bits - 1)),
} as const satisfies Record<BinaryOp, Operation>;

/** `left op right` in the given width; operands and result unsigned. */
export const evaluateBinary = (op: BinaryOp, left: bigint, right: bigint, bits: 32 | 64): bigint =>
  unsigned(BINARY[op](left, right, bits), bits);

const COMPARE = {
  eq: (a, b) => a === b,
  ne: (a, b) => a !== b,
  ult: (a, b) => a < b,
  ule: (a, b) => a <= b,
  ugt: (a, b) => a > b,
  uge: (a, b) => a >= b,
  slt: (a, b, bits) => signed(a, bits) < signed(b, bits),
  sle: (a, b, bits) => signed(a, bits) <= signed(b, bits),
  sgt: (a, b, bits) => signed(a, bits) > signed(b, bits),
  sge: (a, b, bits) => signed(a, bits) >= signed(b, bits),
} as const satisfies Record<CompareOp, (left: bigint, right: bigint, bits: number) => boolean>;

/** Whether `left op right` holds; operands unsigned. */
export const evaluateCompare = (op: CompareOp, left: bigint, right: bigint, bits: 32 | 64): boolean =>
  COMPARE[op](left, right, bits);

/** The operator that holds exactly when the other does not. */
export const INVERSE = {
  eq: "ne",
  ne: "eq",
  ult: "uge",
  ule: "ugt",
  ugt: "ule",
  uge: "ult",
  slt: "sge",
  sle: "sgt",
  sgt: "sle",
  sge: "slt",
} as const satisfies Record<CompareOp, CompareOp>;

/** The operator with its operands exchanged. */
export const SWAPPED = {
  eq: "eq",
  ne: "ne",
  ult: "ugt",
  ule: "uge",
  ugt: "ult",
  uge: "ule",
  slt: "sgt",
  sle: "sge",
  sgt: "slt",
  sge: "sle",
} as const satisfies Record<CompareOp, CompareOp>;

export const COMMUTES: ReadonlySet<BinaryOp> = new Set<BinaryOp>(["add", "mul", "and", "or", "xor"]);

/** Reverses the low `bits` bits' bytes; the rest is cleared. */
export function byteSwap(value: bigint, bits: number): bigint {
  let left = value;
  let made = 0n;
  for (let at = 0; at < bits; at += 8) {
    made = (made << 8n) | (left & 0xffn);
    left >>= 8n;
  }
  return made;
}

/** `op value`; `from` and `to` are the widths of operand and result. */
export function evaluateUnary(op: UnaryOp, value: bigint, from: 32 | 64, to: 32 | 64): bigint {
  switch (op) {
    case "neg":
      return unsigned(-value, to);
    case "zext":
    case "trunc":
      return unsigned(value, to);
    case "sext":
      return unsigned(signed(value, from), to);
    case "bswap16":
      return byteSwap(value, 16);
    case "bswap32":
      return byteSwap(value, 32);
    case "bswap64":
      return byteSwap(value, 64);
  }
}
