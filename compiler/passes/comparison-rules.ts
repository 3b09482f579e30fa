/** Algebra on comparisons, whether they are values or decide a branch. */
import { bitsOf, byteSwap, evaluateCompare, INVERSE, SWAPPED, unsigned } from "../ir/evaluate.ts";
import type { CompareOp, Inst, Value } from "../ir/ir.ts";
import { isPointer } from "../ir/types.ts";
import { possibleBits, type Facts, type Simplified } from "./facts.ts";

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
  if (isPointer(left.type) && r === 0n && (op === "eq" || op === "ne")) {
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
      return { op: op.startsWith("s") ? unsignedOf(op) : op, left: a.value, right: b.value };
    if (a?.kind === "unary" && b?.kind === "unary" && a.op === b.op && a.op === "sext" && !op.startsWith("u"))
      return { op, left: a.value, right: b.value };
    return undefined;
  }

  const ones = (1n << BigInt(bits)) - 1n;
  const most = possibleBits(left, facts);
  const visible = possibleBits(left, facts, "verifier");
  const constant = (value: bigint): Value => facts.constant(left.type, unsigned(value, bits));
  const top = 1n << BigInt(bits - 1);
  // Neither sign bit can be set: signed and unsigned order agree, and unsigned is what later rules know.
  if (op.startsWith("s") && most < top && r < top) return { op: unsignedOf(op), left, right };
  if (op.startsWith("s") && most < top) return { known: op === "sgt" || op === "sge" };
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
    case "slt":
    case "sle":
    case "sgt":
    case "sge":
      break;
  }
  if (a?.kind === "unary" && a.op === "zext" && !op.startsWith("s")) {
    if (r <= 0xffff_ffffn) return { op, left: a.value, right: facts.constant("w32", r) };
  }
  if (a?.kind === "unary" && a.op === "trunc" && possibleBits(a.value, facts) <= 0xffff_ffffn && !op.startsWith("s"))
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

const unsignedOf = (op: CompareOp): CompareOp => (op.startsWith("s") ? (`u${op.slice(1)}` as CompareOp) : op);

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

/** A comparison that is a value. */
export function simplifyCompare(inst: Extract<Inst, { kind: "compare" }>, facts: Facts): Simplified {
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
