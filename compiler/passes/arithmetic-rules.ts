/** Algebra on operators with one and two operands. */
import { bitsOf, COMMUTES, evaluateBinary, evaluateUnary, unsigned } from "../ir/evaluate.ts";
import type { BinaryOp, Inst, Value } from "../ir/ir.ts";
import { pick, possibleBits, type Facts, type Simplified } from "./facts.ts";

/** `left op right`: constants fold, and what is done twice is done once. */
export function simplifyBinary(inst: Extract<Inst, { kind: "binary" }>, facts: Facts): Simplified {
  const { op, left, right } = inst;
  const bits = bitsOf(inst.result.type);
  const ones = (1n << BigInt(bits)) - 1n;
  const l = facts.constantOf(left);
  const r = facts.constantOf(right);
  const constant = (value: bigint): Simplified => ({ equals: facts.constant(inst.result.type, unsigned(value, bits)) });
  const become = (nextOp: BinaryOp, by: bigint, from: Value = left): Simplified => ({
    inst: { ...inst, op: nextOp, left: from, right: facts.constant(inst.result.type, unsigned(by, bits)) },
  });
  if (l !== undefined && r !== undefined) return constant(evaluateBinary(op, l, r, bits));
  if (l !== undefined && COMMUTES.has(op)) return { inst: { ...inst, left: right, right: left } };
  if (left.id === right.id) {
    if (op === "sub" || op === "xor") return constant(0n);
    if (op === "and" || op === "or") return { equals: left };
  }
  if (l === 0n && ["shl", "lshr", "ashr", "udiv", "sdiv", "umod", "smod"].includes(op)) return constant(0n);
  if (r === undefined) return undefined;

  const inner = pick(facts.madeBy(left), "binary");
  const innerBy = inner && facts.constantOf(inner.right);
  const again = inner && inner.op === op && innerBy !== undefined;
  // Where the inner result is needed anyway, going on from it lets what it was made from go.
  const fold = again && !facts.shared?.(left);
  const power = r > 0n && (r & (r - 1n)) === 0n ? BigInt(r.toString(2).length - 1) : undefined;
  switch (op) {
    case "add":
      if (r === 0n) return { equals: left };
      if (again) return become("add", innerBy + r, inner.left);
      break;
    case "sub":
      return r === 0n ? { equals: left } : become("add", -r);
    case "mul":
      if (r === 0n) return constant(0n);
      if (r === 1n) return { equals: left };
      if (power !== undefined) return become("shl", power);
      break;
    case "udiv":
      if (r === 0n) return constant(0n);
      if (r === 1n) return { equals: left };
      if (power !== undefined) return become("lshr", power);
      break;
    case "umod":
      if (r === 0n) return { equals: left };
      if (power !== undefined) return become("and", r - 1n);
      break;
    case "sdiv":
      if (r === 0n) return constant(0n);
      if (r === 1n) return { equals: left };
      if (possibleBits(left, facts) < 1n << BigInt(bits - 1) && r < 1n << BigInt(bits - 1)) return become("udiv", r);
      break;
    case "smod":
      if (r === 0n) return { equals: left };
      if (r === 1n) return constant(0n);
      if (possibleBits(left, facts) < 1n << BigInt(bits - 1) && r < 1n << BigInt(bits - 1)) return become("umod", r);
      break;
    case "and": {
      if (r === 0n) return constant(0n);
      const possible = possibleBits(left, facts);
      if ((possibleBits(left, facts, "verifier") & ~r) === 0n) return { equals: left };
      if ((possible & r) === 0n) return constant(0n);
      if (fold) return become("and", innerBy & r, inner.left);
      break;
    }
    case "or":
      if (r === 0n) return { equals: left };
      if (r === ones) return constant(ones);
      if (fold) return become("or", innerBy | r, inner.left);
      break;
    case "xor":
      if (r === 0n) return { equals: left };
      if (fold) return become("xor", innerBy ^ r, inner.left);
      break;
    case "shl":
    case "lshr":
    case "ashr": {
      const count = r & BigInt(bits - 1);
      if (count === 0n) return { equals: left };
      if (op !== "shl" && possibleBits(left, facts) >> count === 0n) return constant(0n);
      if (op === "ashr" && possibleBits(left, facts) < 1n << BigInt(bits - 1)) return become("lshr", count);
      if (again) {
        const sum = count + (innerBy & BigInt(bits - 1));
        if (sum < BigInt(bits)) return become(op, sum, inner.left);
        if (op !== "ashr") return constant(0n);
      }
      const swapped = pick(facts.madeBy(left), "unary");
      // Two bytes that are swapped into the upper half of a word are swapped there by the whole word's swap.
      if (op === "shl" && count === 16n && bits === 32 && swapped?.op === "bswap16")
        if (possibleBits(swapped.value, facts) <= 0xffffn)
          return { inst: { kind: "unary", op: "bswap32", value: swapped.value, result: inst.result, span: inst.span } };
      // A mask is idle when the shift pushes out all that it clears.
      if (
        op === "shl" &&
        inner?.op === "and" &&
        innerBy !== undefined &&
        ((ones & ~innerBy) << count) % (ones + 1n) === 0n
      )
        return become("shl", count, inner.left);
      if (op === "lshr" && inner?.op === "and" && innerBy !== undefined && (ones & ~innerBy) >> count === 0n)
        return become("lshr", count, inner.left);
      // (x << n) >> n keeps the low bits.
      if (op === "lshr" && inner?.op === "shl" && innerBy === count) return become("and", ones >> count, inner.left);
      if (count !== r) return become(op, count);
    }
  }
  return undefined;
}

/** Extensions, truncations, negations and byte swaps that undo each other or change nothing. */
export function simplifyUnary(inst: Extract<Inst, { kind: "unary" }>, facts: Facts): Simplified {
  const { op, value } = inst;
  const constant = facts.constantOf(value);
  const from = bitsOf(value.type);
  const to = bitsOf(inst.result.type);
  if (constant !== undefined)
    return { equals: facts.constant(inst.result.type, evaluateUnary(op, constant, from, to)) };
  const inner = pick(facts.madeBy(value), "unary");
  const mask = pick(facts.madeBy(value), "binary");
  switch (op) {
    case "trunc":
      if (inner && (inner.op === "zext" || inner.op === "sext")) return { equals: inner.value };
      break;
    case "zext":
      if (inner?.op === "trunc" && possibleBits(inner.value, facts) <= 0xffff_ffffn) return { equals: inner.value };
      break;
    case "sext":
      if (possibleBits(value, facts) < 1n << 31n) return { inst: { ...inst, op: "zext" } };
      break;
    case "neg":
      if (inner?.op === "neg") return { equals: inner.value };
      break;
    case "bswap16":
      // Bits above the low 16 do not take part.
      if (mask?.op === "and" && ((facts.constantOf(mask.right) ?? 0n) & 0xffffn) === 0xffffn)
        return { inst: { ...inst, value: mask.left } };
      if (inner?.op === "bswap16" && possibleBits(inner.value, facts) <= 0xffffn) return { equals: inner.value };
      break;
    case "bswap32":
    case "bswap64":
      if (inner?.op === op && (op === "bswap64" || value.type === "w32")) return { equals: inner.value };
  }
  return undefined;
}
