/** Arithmetic on constants while a function is built: the instruction set's own rules (RFC 9669 section 4.1). */
import type { BinaryOp, CompareOp, Type, UnaryOp } from "./ir.ts";

const bitsOf = (type: Type): number => (type === "w32" ? 32 : 64);
export const widthMask = (type: Type): bigint => (type === "w32" ? 0xffff_ffffn : 0xffff_ffff_ffff_ffffn);
const signed = (type: Type, bits: bigint): bigint => BigInt.asIntN(bitsOf(type), bits);

/** Division by zero gives 0 and leaves the dividend of a remainder; the least integer by -1 is itself, remainder 0. */
const binary: Record<BinaryOp, (a: bigint, b: bigint, type: Type) => bigint> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  udiv: (a, b) => (b === 0n ? 0n : a / b),
  umod: (a, b) => (b === 0n ? a : a % b),
  sdiv: (a, b, type) => (b === 0n ? 0n : signed(type, a) / signed(type, b)),
  smod: (a, b, type) => (b === 0n ? a : signed(type, a) % signed(type, b)),
  and: (a, b) => a & b,
  or: (a, b) => a | b,
  xor: (a, b) => a ^ b,
  shl: (a, b, type) => a << BigInt(Number(b) & (bitsOf(type) - 1)),
  lshr: (a, b, type) => a >> BigInt(Number(b) & (bitsOf(type) - 1)),
  ashr: (a, b, type) => signed(type, a) >> BigInt(Number(b) & (bitsOf(type) - 1)),
};

const compare: Record<CompareOp, (a: bigint, b: bigint) => boolean> = {
  eq: (a, b) => a === b,
  ne: (a, b) => a !== b,
  ult: (a, b) => a < b,
  ule: (a, b) => a <= b,
  ugt: (a, b) => a > b,
  uge: (a, b) => a >= b,
  slt: (a, b) => a < b,
  sle: (a, b) => a <= b,
  sgt: (a, b) => a > b,
  sge: (a, b) => a >= b,
};

const swap = (value: bigint, bytes: number): bigint => {
  let swapped = 0n;
  for (let i = 0; i < bytes; i++) swapped = (swapped << 8n) | ((value >> BigInt(8 * i)) & 0xffn);
  return swapped;
};

const unary: Record<UnaryOp, (a: bigint, type: Type) => bigint> = {
  neg: (a) => -a,
  zext: (a) => a,
  sext: (a) => BigInt.asIntN(32, a),
  trunc: (a) => a,
  bswap16: (a) => swap(a, 2),
  bswap32: (a) => swap(a, 4),
  bswap64: (a) => swap(a, 8),
};

/** Bit patterns in, bit pattern out, below 2^width. */
export const foldBinary = (op: BinaryOp, type: Type, a: bigint, b: bigint): bigint =>
  binary[op](a, b, type) & widthMask(type);
export const foldUnary = (op: UnaryOp, type: Type, a: bigint): bigint =>
  unary[op](a, type) & widthMask(op === "trunc" ? "w32" : op === "zext" || op === "sext" ? "w64" : type);
export const foldCompare = (op: CompareOp, type: Type, a: bigint, b: bigint): boolean =>
  op.startsWith("s") ? compare[op](signed(type, a), signed(type, b)) : compare[op](a, b);
