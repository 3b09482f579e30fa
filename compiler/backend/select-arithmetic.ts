/** Selection of arithmetic: operators with one and two operands. */
import type { BinaryOp, Inst, Value } from "../ir/ir.ts";
import type { Span } from "../span.ts";
import type { Arithmetic, Operand, Virtual } from "./insn.ts";
import { extended, extendInPlace, inRegister, into, operand, zeroUpper } from "./operands.ts";
import { constant, fresh, registerOf, type Selection } from "./selection.ts";

const ALU = {
  add: "add",
  sub: "sub",
  mul: "mul",
  udiv: "div",
  umod: "mod",
  sdiv: "div",
  smod: "mod",
  and: "and",
  or: "or",
  xor: "xor",
  shl: "lsh",
  lshr: "rsh",
  ashr: "arsh",
} as const satisfies Record<BinaryOp, Arithmetic>;

const COMMUTATIVE: ReadonlySet<BinaryOp> = new Set<BinaryOp>(["add", "mul", "and", "or", "xor"]);
const DIVISIONS: ReadonlySet<BinaryOp> = new Set<BinaryOp>(["udiv", "umod", "sdiv", "smod"]);
const SHIFTS: ReadonlySet<BinaryOp> = new Set<BinaryOp>(["shl", "lshr", "ashr"]);

/** An operator with two operands: the left one moves into the result's register, which the instruction then changes. */
export function binary(s: Selection, inst: Extract<Inst, { kind: "binary" }>): void {
  const { span, result } = inst;
  let { left, right } = inst;
  const narrow = result.type === "w32";
  if (
    COMMUTATIVE.has(inst.op) &&
    constant(s, right) === undefined &&
    (constant(s, left) !== undefined || ((s.uses.get(left.id) ?? 0) > 1 && s.uses.get(right.id) === 1))
  )
    [left, right] = [right, left];
  const dst = registerOf(s, result);
  if (narrow && !s.isa.alu32) {
    binaryWide(s, inst.op, dst, left, right, result, span);
    return;
  }
  into(s, dst, left, span);
  const signed = inst.op === "sdiv" || inst.op === "smod";
  if (signed && !s.isa.signed) throw new Error("signed division must be lowered before selection");
  s.out.push({
    kind: "alu",
    op: ALU[inst.op],
    wide: !narrow,
    dst,
    src: operand(s, right, span),
    ...(signed ? { signed } : {}),
    span,
  });
  if (narrow) s.clean.add(result.id);
  if (narrow && (DIVISIONS.has(inst.op) || (SHIFTS.has(inst.op) && constant(s, right) === undefined)))
    s.blurred.add(result.id);
}

/** 32-bit arithmetic in 64-bit registers: what is above the low half is left as it comes, except where it would matter. */
function binaryWide(
  s: Selection,
  op: BinaryOp,
  dst: Virtual,
  left: Value,
  right: Value,
  result: Value,
  span: Span,
): void {
  const count = constant(s, right);
  switch (op) {
    case "lshr":
    case "udiv":
    case "umod": {
      s.out.push({ kind: "mov", wide: true, dst, src: { reg: extended(s, left, false, span) }, span });
      const src: Operand<Virtual> =
        count !== undefined && count >= 0n ? { imm: Number(count) } : { reg: shiftCount(s, op, right, span) };
      s.out.push({ kind: "alu", op: ALU[op], wide: true, dst, src, span });
      s.clean.add(result.id);
      return;
    }
    case "ashr": {
      s.out.push({ kind: "mov", wide: true, dst, src: { reg: extended(s, left, true, span) }, span });
      s.out.push({
        kind: "alu",
        op: "arsh",
        wide: true,
        dst,
        src: count !== undefined ? { imm: Number(count) } : { reg: shiftCount(s, op, right, span) },
        span,
      });
      return;
    }
    default: {
      into(s, dst, left, span);
      const src: Operand<Virtual> =
        op === "shl" && count === undefined ? { reg: shiftCount(s, op, right, span) } : operand(s, right, span);
      s.out.push({ kind: "alu", op: ALU[op], wide: true, dst, src, span });
      const bothClean = (v: Value): boolean => s.clean.has(v.id) || (constant(s, v) ?? -1n) >= 0n;
      if (
        op === "and"
          ? bothClean(left) || bothClean(right)
          : (op === "or" || op === "xor") && bothClean(left) && bothClean(right)
      )
        s.clean.add(result.id);
    }
  }
}

/** The right operand: shift counts of 32-bit values are modulo 32, which a 64-bit shift does not do. */
function shiftCount(s: Selection, op: BinaryOp, value: Value, span: Span): Virtual {
  if (op === "udiv" || op === "umod") return extended(s, value, false, span);
  const dst = fresh(s);
  into(s, dst, value, span);
  s.out.push({ kind: "alu", op: "and", wide: true, dst, src: { imm: 31 }, span });
  return dst;
}

/** An operator with one operand: extension, truncation, negation, byte swaps. */
export function unary(s: Selection, inst: Extract<Inst, { kind: "unary" }>): void {
  const { span, result, value } = inst;
  const dst = registerOf(s, result);
  const narrow = result.type === "w32";
  switch (inst.op) {
    case "zext":
      if (s.blurred.has(value.id)) zeroUpper(s, dst, registerOf(s, value), span);
      else into(s, dst, value, span, true);
      return;
    case "trunc":
      into(s, dst, value, span);
      return;
    case "sext":
      if (s.isa.signed) {
        s.out.push({ kind: "movsx", dst, src: inRegister(s, value, span), span });
        return;
      }
      into(s, dst, value, span);
      extendInPlace(s, dst, true, span);
      return;
    case "neg":
      into(s, dst, value, span);
      s.out.push({ kind: "neg", wide: !narrow || !s.isa.alu32, dst, span });
      if (narrow && s.isa.alu32) s.clean.add(result.id);
      if (narrow) s.blurred.add(result.id);
      return;
    case "bswap16":
    case "bswap32":
    case "bswap64":
      into(s, dst, value, span);
      s.out.push({ kind: "swap", dst, bits: Number(inst.op.slice(5)) as 16 | 32 | 64, span });
      if (narrow) s.clean.add(result.id);
      if (narrow) s.blurred.add(result.id);
  }
}
