/**
 * Algebra on single instructions: what one instruction becomes, given what its operands are.
 * Rules are shared by `simplify` and by `unroll`, which folds while it copies.
 */
import {
  bitsOf,
  byteSwap,
  COMMUTES,
  evaluateBinary,
  evaluateCompare,
  evaluateUnary,
  INVERSE,
  signed,
  SWAPPED,
  unsigned,
} from "../ir/evaluate.ts";
import type { Eyes } from "./ranges.ts";
import type { BinaryOp, CompareOp, End, Inst, Type, Value } from "../ir/ir.ts";

export interface Facts {
  /** The constant a value is. */
  readonly constantOf: (value: Value) => bigint | undefined;
  /** The instruction that made a value, already simplified. */
  readonly madeBy: (value: Value) => Inst | undefined;
  /** The one value of that constant. */
  readonly constant: (type: Type, value: bigint) => Value;
  /** Computes something new in front of what is being simplified. */
  readonly compute?: (op: BinaryOp, left: Value, right: Value) => Value;
  /** Whether something else reads the value too, and will go on doing so. Absent: not known, as if not. */
  readonly shared?: (value: Value) => boolean;
}

/** A value that the instruction's result equals, a better instruction for it, or undefined: nothing to gain. */
export type Simplified = { readonly equals: Value } | { readonly inst: Inst } | undefined;

const pick = <K extends Inst["kind"]>(inst: Inst | undefined, kind: K): Extract<Inst, { kind: K }> | undefined =>
  inst?.kind === kind ? (inst as Extract<Inst, { kind: K }>) : undefined;

/**
 * A mask that holds every bit the value may have set. Looks a few definitions deep. With the verifier's eyes, quotients,
 * remainders, shifts by a variable and swapped bytes are anything: a mask or a check of those may be what guards an access.
 */
export function possibleBits(value: Value, facts: Facts, eyes: Eyes = "ours", depth = 4): bigint {
  const all = (1n << BigInt(bitsOf(value.type))) - 1n;
  const constant = facts.constantOf(value);
  if (constant !== undefined) return constant;
  const made = facts.madeBy(value);
  if (!made || depth === 0) return all;
  const of = (v: Value): bigint => possibleBits(v, facts, eyes, depth - 1);
  const forgets = eyes === "verifier";
  switch (made.kind) {
    case "load":
      return all & ((1n << BigInt(8 * made.bytes)) - 1n);
    case "compare":
      return 1n;
    case "assume-fits":
      return made.signed ? of(made.value) : of(made.value) & smear(made.max);
    case "unary":
      if (made.op === "zext") return of(made.value);
      if (made.op === "trunc") return of(made.value) & all;
      if (made.op === "bswap16") return forgets ? all : 0xffffn;
      if (made.op === "bswap32") return forgets ? all : 0xffff_ffffn;
      return all;
    case "binary": {
      const by = facts.constantOf(made.right);
      switch (made.op) {
        case "and":
          return of(made.left) & of(made.right);
        case "or":
        case "xor":
          return of(made.left) | of(made.right);
        case "lshr":
          return by === undefined ? (forgets ? all : smear(of(made.left))) : of(made.left) >> (by & BigInt(bitsOf(value.type) - 1));
        case "shl":
          return by === undefined
            ? all
            : unsigned(of(made.left) << (by & BigInt(bitsOf(value.type) - 1)), bitsOf(value.type));
        case "add":
          return all & smear(of(made.left) + of(made.right));
        case "mul":
          return all & smear(of(made.left) * of(made.right));
        case "udiv":
        case "umod":
          return forgets ? all : smear(of(made.left));
        default:
          return all;
      }
    }
    default:
      return all;
  }
}
/** Every bit below the highest one set, too. */
const smear = (mask: bigint): bigint => (mask === 0n ? 0n : (1n << BigInt(mask.toString(2).length)) - 1n);

/** Simplifies one instruction. */
export function simplifyInst(inst: Inst, facts: Facts): Simplified {
  switch (inst.kind) {
    case "binary":
      return simplifyBinary(inst, facts);
    case "unary":
      return simplifyUnary(inst, facts);
    case "compare":
      return simplifyCompare(inst, facts);
    case "ptradd":
      return simplifyPtradd(inst, facts);
    case "load":
    case "store":
    case "zero":
    case "atomic": {
      const found = through(inst.base, inst.offset, facts);
      return found ? { inst: { ...inst, ...found } } : undefined;
    }
    case "copy": {
      const to = through(inst.to, inst.toOffset, facts);
      const from = through(inst.from, inst.fromOffset, facts);
      if (!to && !from) return undefined;
      return {
        inst: {
          ...inst,
          ...(to ? { to: to.base, toOffset: to.offset } : {}),
          ...(from ? { from: from.base, fromOffset: from.offset } : {}),
        },
      };
    }
    case "assume-fits": {
      const constant = facts.constantOf(inst.value);
      if (constant === undefined) return undefined;
      const bits = bitsOf(inst.value.type);
      const read = inst.signed ? signed(constant, bits) : constant;
      return read >= inst.min && read <= inst.max ? { equals: inst.value } : undefined;
    }
    case "assume-index": {
      const constant = facts.constantOf(inst.value);
      return constant !== undefined && constant < BigInt(inst.length) ? { equals: inst.value } : undefined;
    }
    default:
      return undefined;
  }
}

/** Offsets are signed 16 bits in an instruction; a margin is left for accesses behind them. */
const MAX_OFFSET = 0x7000n;

function through(base: Value, offset: number, facts: Facts): { base: Value; offset: number } | undefined {
  const made = pick(facts.madeBy(base), "ptradd");
  const by = made && facts.constantOf(made.offset);
  if (!made || by === undefined) return undefined;
  const sum = BigInt(offset) + signed(by, 64);
  return sum > MAX_OFFSET || sum < -MAX_OFFSET ? undefined : { base: made.base, offset: Number(sum) };
}

function simplifyPtradd(inst: Extract<Inst, { kind: "ptradd" }>, facts: Facts): Simplified {
  const by = facts.constantOf(inst.offset);
  if (by === 0n) return { equals: inst.base };
  const inner = pick(facts.madeBy(inst.base), "ptradd");
  const innerBy = inner && facts.constantOf(inner.offset);
  if (inner && by !== undefined && innerBy !== undefined) {
    return { inst: { ...inst, base: inner.base, offset: facts.constant("w64", unsigned(by + innerBy, 64)) } };
  }
  return undefined;
}

function simplifyBinary(inst: Extract<Inst, { kind: "binary" }>, facts: Facts): Simplified {
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

function simplifyUnary(inst: Extract<Inst, { kind: "unary" }>, facts: Facts): Simplified {
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

/** What a comparison becomes: another comparison, or a known answer. */
export type SimplifiedCompare =
  { readonly known: boolean } | { readonly op: CompareOp; readonly left: Value; readonly right: Value } | undefined;

/** Simplifies `left op right`, whether it is a value or a branch's condition. */
export function simplifyComparison(op: CompareOp, left: Value, right: Value, facts: Facts): SimplifiedCompare {
  const l = facts.constantOf(left);
  const r = facts.constantOf(right);
  const bits = bitsOf(left.type);
  if (l !== undefined && r !== undefined) return { known: evaluateCompare(op, l, r, bits) };
  if (left.id === right.id) return { known: ["eq", "ule", "uge", "sle", "sge"].includes(op) };
  if (l !== undefined) return { op: SWAPPED[op], left: right, right: left };
  if (left.type === "ptr" && r === 0n && (op === "eq" || op === "ne")) {
    const root = facts.madeBy(left);
    // An address inside a variable is no more 0 than the variable's.
    const made = root?.kind === "ptradd" ? facts.madeBy(root.base) : root;
    if (made?.kind === "slot" || made?.kind === "global" || made?.kind === "map") return { known: op === "ne" };
    return undefined;
  }
  const a = facts.madeBy(left);
  if (r === undefined) {
    const b = facts.madeBy(right);
    if (op === "eq" || op === "ne") {
      const found = unchanged(op, a, right, facts) ?? unchanged(op, b, left, facts);
      if (found) return found;
    }
    if (a?.kind === "unary" && b?.kind === "unary" && a.op === b.op && a.op === "zext")
      return { op: op[0] === "s" ? unsignedOf(op) : op, left: a.value, right: b.value };
    if (a?.kind === "unary" && b?.kind === "unary" && a.op === b.op && a.op === "sext" && op[0] !== "u")
      return { op, left: a.value, right: b.value };
    return undefined;
  }

  const ones = (1n << BigInt(bits)) - 1n;
  const most = possibleBits(left, facts);
  const visible = possibleBits(left, facts, "verifier");
  const constant = (value: bigint): Value => facts.constant(left.type, unsigned(value, bits));
  const top = 1n << BigInt(bits - 1);
  // Neither sign bit can be set: signed and unsigned order agree, and unsigned is what later rules know.
  if (op[0] === "s" && most < top && r < top) return { op: unsignedOf(op), left, right };
  if (op[0] === "s" && most < top) return { known: op === "sgt" || op === "sge" };
  switch (op) {
    case "ult":
      if (r === 0n) return { known: false };
      if (visible < r) return { known: true };
      if (r === 1n) return { op: "eq", left, right: constant(0n) };
      break;
    case "ule":
      if (visible <= r || r === ones) return { known: true };
      if (r === 0n) return { op: "eq", left, right };
      break;
    case "ugt":
      if (visible <= r || r === ones) return { known: false };
      if (r === 0n) return { op: "ne", left, right };
      break;
    case "uge":
      if (r === 0n) return { known: true };
      if (visible < r) return { known: false };
      if (r === 1n) return { op: "ne", left, right: constant(0n) };
      break;
    case "eq":
    case "ne": {
      if ((r & ~most) !== 0n) return { known: op === "ne" };
      const found = simplifyEquality(op, a, r, constant, facts);
      if (found) return found;
      // A value that is 0 or 1 is compared with 0 only.
      if (most === 1n && r === 1n) return { op: INVERSE[op], left, right: constant(0n) };
      // One bit: compare with zero, which one instruction does.
      if (a?.kind === "binary" && a.op === "and" && most === r && (r & (r - 1n)) === 0n && r !== 0n)
        return { op: INVERSE[op], left, right: constant(0n) };
      break;
    }
  }
  if (a?.kind === "unary" && a.op === "zext" && op[0] !== "s") {
    if (r <= 0xffff_ffffn) return { op, left: a.value, right: facts.constant("w32", r) };
  }
  if (a?.kind === "unary" && a.op === "trunc" && possibleBits(a.value, facts) <= 0xffff_ffffn && op[0] !== "s")
    return { op, left: a.value, right: facts.constant("w64", r) };
  return undefined;
}

/** Whether setting or clearing a bit changes a value: that bit is the answer. */
function unchanged(op: "eq" | "ne", made: Inst | undefined, value: Value, facts: Facts): SimplifiedCompare {
  if (made?.kind !== "binary" || made.left.id !== value.id || !facts.compute) return undefined;
  const mask = facts.constantOf(made.right);
  if (mask === undefined || (made.op !== "or" && made.op !== "and")) return undefined;
  const bits = bitsOf(value.type);
  const bit = made.op === "or" ? mask : unsigned(~mask, bits);
  const single = bit !== 0n && (bit & (bit - 1n)) === 0n;
  if (made.op === "or" && !single) return undefined;
  if (bit === 0n) return undefined;
  const tested = facts.compute("and", value, facts.constant(value.type, bit));
  const changes = made.op === "or" ? "eq" : "ne";
  return { op: op === "ne" ? changes : INVERSE[changes], left: tested, right: facts.constant(value.type, 0n) };
}

const unsignedOf = (op: CompareOp): CompareOp => (op[0] === "s" ? (`u${op.slice(1)}` as CompareOp) : op);

function simplifyEquality(
  op: "eq" | "ne",
  a: Inst | undefined,
  r: bigint,
  constant: (value: bigint) => Value,
  facts: Facts,
): SimplifiedCompare {
  if (a?.kind === "compare" && r <= 1n) {
    const holds = (op === "ne") === (r === 0n);
    return { op: holds ? a.op : INVERSE[a.op], left: a.left, right: a.right };
  }
  if (a?.kind === "binary") {
    const by = facts.constantOf(a.right);
    if (by !== undefined && a.op === "xor") return { op, left: a.left, right: constant(r ^ by) };
    if (by !== undefined && a.op === "add") return { op, left: a.left, right: constant(r - by) };
    if (r === 0n && (a.op === "sub" || a.op === "xor")) return { op, left: a.left, right: a.right };
  }
  if (a?.kind === "unary") {
    if (a.op === "bswap32" && a.value.type === "w32") return { op, left: a.value, right: constant(byteSwap(r, 32)) };
    if (a.op === "bswap64") return { op, left: a.value, right: constant(byteSwap(r, 64)) };
    if (a.op === "bswap16" && possibleBits(a.value, facts) <= 0xffffn)
      return { op, left: a.value, right: constant(byteSwap(r, 16)) };
    if (a.op === "neg") return { op, left: a.value, right: constant(-r) };
  }
  return undefined;
}

function simplifyCompare(inst: Extract<Inst, { kind: "compare" }>, facts: Facts): Simplified {
  const found = simplifyComparison(inst.op, inst.left, inst.right, facts);
  if (found) {
    if ("known" in found) return { equals: facts.constant("w32", found.known ? 1n : 0n) };
    return { inst: { ...inst, ...found } };
  }
  // A value that is 0 or 1 already answers "is it not 0".
  if (
    inst.op === "ne" &&
    inst.left.type === "w32" &&
    facts.constantOf(inst.right) === 0n &&
    possibleBits(inst.left, facts) === 1n
  )
    return { equals: inst.left };
  return undefined;
}

const sameEdge = (a: { block: number; args: readonly Value[] }, b: typeof a): boolean =>
  a.block === b.block && a.args.every((arg, at) => arg.id === b.args[at]!.id);

/** Simplifies a block's end: known conditions become jumps. */
export function simplifyEnd(end: End, facts: Facts): End {
  switch (end.kind) {
    case "branch": {
      let { op, left, right } = end;
      for (let turns = 0; turns < 8; turns++) {
        const found = simplifyComparison(op, left, right, facts);
        if (!found) break;
        if ("known" in found) return { kind: "jump", to: found.known ? end.then : end.else, span: end.span };
        ({ op, left, right } = found);
      }
      if (sameEdge(end.then, end.else)) return { kind: "jump", to: end.then, span: end.span };
      return op === end.op && left === end.left && right === end.right ? end : { ...end, op, left, right };
    }
    case "switch": {
      const constant = facts.constantOf(end.value);
      if (constant !== undefined) {
        const to = end.cases.find((c) => c.value === constant)?.to ?? end.default;
        return { kind: "jump", to, span: end.span };
      }
      const most = possibleBits(end.value, facts);
      const cases = end.cases.filter((c) => !sameEdge(c.to, end.default) && (c.value & ~most) === 0n);
      const [only, second] = cases;
      if (!only) return { kind: "jump", to: end.default, span: end.span };
      if (!second) {
        const right = facts.constant(end.value.type, only.value);
        return { kind: "branch", op: "eq", left: end.value, right, then: only.to, else: end.default, span: end.span };
      }
      return cases.length === end.cases.length ? end : { ...end, cases };
    }
    default:
      return end;
  }
}
