/** Arithmetic and shifts: which type an operation has, and what its result can be. */
import { ts } from "ts-morph";
import type { BinaryOp, Value } from "../ir/ir.ts";
import type { IntLayout } from "../layout.ts";
import { isConstantExpression } from "./constant-expressions.ts";
import { at, fail, type Lowering } from "./lowering.ts";
import { ERROR, type Operand, type Scalar } from "./operand.ts";
import { BOOL, I32, irType, rangeOf, typeName, U32, U64, within, type Range } from "./types.ts";
import { constantOf, describe, isNumeric, knownRange, literal, toScalar } from "./values.ts";

const K = ts.SyntaxKind;

/** Operators by token: how literals fold, which instruction signed and unsigned operands take. */
interface Operator {
  readonly text: string;
  readonly signed: BinaryOp;
  readonly unsigned: BinaryOp;
  readonly fold: (a: bigint, b: bigint) => bigint | undefined;
}
const shift = (a: bigint, by: bigint, run: (a: bigint, by: bigint) => bigint): bigint | undefined =>
  by >= 0n && by < 64n ? run(a, by) : undefined;
export const OPERATORS: ReadonlyMap<ts.SyntaxKind, Operator> = new Map([
  [K.PlusToken, { text: "+", signed: "add", unsigned: "add", fold: (a, b) => a + b }],
  [K.MinusToken, { text: "-", signed: "sub", unsigned: "sub", fold: (a, b) => a - b }],
  [K.AsteriskToken, { text: "*", signed: "mul", unsigned: "mul", fold: (a, b) => a * b }],
  [K.SlashToken, { text: "/", signed: "sdiv", unsigned: "udiv", fold: (a, b) => (b === 0n ? undefined : a / b) }],
  [K.PercentToken, { text: "%", signed: "smod", unsigned: "umod", fold: (a, b) => (b === 0n ? undefined : a % b) }],
  [K.AmpersandToken, { text: "&", signed: "and", unsigned: "and", fold: (a, b) => a & b }],
  [K.BarToken, { text: "|", signed: "or", unsigned: "or", fold: (a, b) => a | b }],
  [K.CaretToken, { text: "^", signed: "xor", unsigned: "xor", fold: (a, b) => a ^ b }],
  [
    K.LessThanLessThanToken,
    { text: "<<", signed: "shl", unsigned: "shl", fold: (a, b) => shift(a, b, (x, by) => x << by) },
  ],
  [
    K.GreaterThanGreaterThanToken,
    { text: ">>", signed: "ashr", unsigned: "lshr", fold: (a, b) => shift(a, b, (x, by) => x >> by) },
  ],
  [
    K.GreaterThanGreaterThanGreaterThanToken,
    {
      text: ">>>",
      signed: "lshr",
      unsigned: "lshr",
      fold: (a, b) => shift(a, b, (x, by) => (x < 0n ? BigInt.asUintN(32, x) : x) >> by),
    },
  ],
] satisfies [ts.SyntaxKind, Operator][]);
/** Compound assignments and the operator in them. */
export const COMPOUND: ReadonlyMap<ts.SyntaxKind, ts.SyntaxKind> = new Map([
  [K.PlusEqualsToken, K.PlusToken],
  [K.MinusEqualsToken, K.MinusToken],
  [K.AsteriskEqualsToken, K.AsteriskToken],
  [K.SlashEqualsToken, K.SlashToken],
  [K.PercentEqualsToken, K.PercentToken],
  [K.AmpersandEqualsToken, K.AmpersandToken],
  [K.BarEqualsToken, K.BarToken],
  [K.CaretEqualsToken, K.CaretToken],
  [K.LessThanLessThanEqualsToken, K.LessThanLessThanToken],
  [K.GreaterThanGreaterThanEqualsToken, K.GreaterThanGreaterThanToken],
  [K.GreaterThanGreaterThanGreaterThanEqualsToken, K.GreaterThanGreaterThanGreaterThanToken],
]);
const SHIFTS = new Set(["<<", ">>", ">>>"]);

/** The type in which a narrow integer is computed. */
const promoted = (type: IntLayout): IntLayout => (type.bits < 32 ? U32 : type);

/** Two operands, brought to one type. */
export interface Pair {
  readonly type: IntLayout;
  readonly left: Scalar;
  readonly right: Scalar;
}

/** Brings both sides of an operation to one type; reports when there is none. Not for two literals. */
export function unify(
  f: Lowering,
  left: Operand,
  right: Operand,
  node: ts.Node,
  leftNode: ts.Node,
  rightNode: ts.Node,
): Pair | undefined {
  if (left.kind === "literal" && right.kind === "literal") {
    const wide = left.wide;
    if (wide !== right.wide) return void mixedWidth(f, left, right, node, leftNode, rightNode);
    const negative = left.value < 0n || right.value < 0n;
    const type = wide ? (negative ? { ...U64, signed: true } : U64) : negative ? I32 : U32;
    const l = literal(f, left.value, type, leftNode, left.wraps);
    const r = literal(f, right.value, type, rightNode, right.wraps);
    return l && r && { type, left: l, right: r };
  }
  if (left.kind === "literal") {
    const swapped = unify(f, right, left, node, rightNode, leftNode);
    return swapped && { type: swapped.type, left: swapped.right, right: swapped.left };
  }
  const l = toScalar(f, left, leftNode);
  if (!l || l.type.kind !== "int") return undefined;
  if (right.kind === "literal") {
    if ((l.type.bits === 64) !== right.wide) return void mixedWidth(f, left, right, node, leftNode, rightNode);
    const type = l.type.bits < 32 && right.value < 0n && !right.wraps ? I32 : promoted(l.type);
    const r = literal(f, right.value, type, rightNode, right.wraps);
    return r && { type, left: l, right: r };
  }
  const r = toScalar(f, right, rightNode);
  if (!r || r.type.kind !== "int") return undefined;
  if ((l.type.bits === 64) !== (r.type.bits === 64)) return void mixedWidth(f, left, right, node, leftNode, rightNode);
  const type = l.type.bits < 32 ? promoted(r.type) : l.type;
  if (l.type.bits >= 32 && r.type.bits >= 32 && l.type.signed !== r.type.signed) {
    const signed = l.type.signed ? l.type : r.type;
    const unsigned = l.type.signed ? r.type : l.type;
    const place = at(f, l.type.signed ? leftNode : rightNode);
    return void fail(f, "signed-unsigned", node, { signed: typeName(signed), unsigned: typeName(unsigned), place });
  }
  return { type, left: l, right: r };
}

function mixedWidth(
  f: Lowering,
  left: Operand,
  right: Operand,
  node: ts.Node,
  leftNode: ts.Node,
  rightNode: ts.Node,
): void {
  const wideLeft =
    left.kind === "literal" ? left.wide : left.kind === "scalar" && left.type.kind === "int" && left.type.bits === 64;
  const narrow = wideLeft ? right : left;
  const wide = wideLeft ? left : right;
  const help =
    narrow.kind === "literal"
      ? `write ${narrow.value}n`
      : wide.kind === "literal"
        ? `write ${wide.value}`
        : `widen the ${describe(narrow)} side: u64(…)`;
  // What is to be written otherwise: the narrow side, or a wide literal beside a narrow variable.
  const mended = narrow.kind !== "literal" && wide.kind === "literal" ? wide : narrow;
  const place = at(f, mended === left ? leftNode : rightNode);
  fail(f, "mixed-width", node, { left: describe(left), right: describe(right), help, place });
}

/** Reports operands that have no arithmetic; true when both are integers. */
export function bothNumeric(f: Lowering, operator: string, left: Operand, right: Operand, node: ts.Node): boolean {
  if (left.kind === "error" || right.kind === "error") return false;
  if (isNumeric(left) && isNumeric(right)) return true;
  const odd = isNumeric(left) ? right : left;
  if (odd.kind === "text" || (odd.kind === "scalar" && odd.type.kind === "string"))
    fail(f, "string-built", node, undefined);
  else if (odd.kind === "scalar" && odd.type.kind === "be")
    fail(f, "network-order-arithmetic", node, {
      operator,
      type: typeName(odd.type),
      ...byteOrderFunctions(odd.type.bits),
    });
  else
    fail(f, "no-operator", node, {
      operator,
      left: describe(left),
      right: describe(right),
      ...(describe(odd).startsWith("Ref<") ? { help: "take the integer that the Ref stands for: its value" } : {}),
    });
  return false;
}
/** The functions to and from network byte order, of a width. */
export const byteOrderFunctions = (bits: 16 | 32 | 64): { to: string; from: string } =>
  bits === 16
    ? { to: "ntohs", from: "htons" }
    : bits === 32
      ? { to: "ntohl", from: "htonl" }
      : { to: "ntohll", from: "htonll" };

/** `left operator right` for the operators of OPERATORS. */
export function binary(
  f: Lowering,
  token: ts.SyntaxKind,
  left: Operand,
  right: Operand,
  node: ts.Node,
  leftNode: ts.Node,
  rightNode: ts.Node,
): Operand {
  const operator = OPERATORS.get(token)!;
  if (!bothNumeric(f, operator.text, left, right, node)) return ERROR;
  const divisor = right.kind === "literal" ? right.value : right.kind === "scalar" ? constantOf(f, right) : undefined;
  const divides = operator.text === "/" || operator.text === "%";
  // A guard such as `if (SIZE !== 0)` may have shown that control does not come here.
  if (divides && divisor === 0n && f.b.reachable() && isConstantExpression(f, rightNode))
    return fail(f, "division-by-zero", node, undefined);
  if (SHIFTS.has(operator.text)) return shifted(f, operator, left, right, node, leftNode, rightNode);
  if (left.kind === "literal" && right.kind === "literal" && left.wide === right.wide) {
    const folded = operator.fold(left.value, right.value);
    if (folded !== undefined)
      return {
        kind: "literal",
        value: folded,
        wide: left.wide,
        ...(left.wraps || right.wraps ? { wraps: true as const } : {}),
      };
  }
  const pair = unify(f, left, right, node, leftNode, rightNode);
  if (!pair) return ERROR;
  // A variable that is known to be 0 here; the verifier refuses a division by an immediate 0.
  if (divides && divisor === 0n)
    return operator.text === "%"
      ? { ...pair.left, type: pair.type }
      : { kind: "scalar", type: pair.type, value: f.b.constant(irType(pair.type), 0n, at(f, node)) };
  const op = pair.type.signed ? operator.signed : operator.unsigned;
  const value = f.b.binary(op, pair.left.value, pair.right.value, at(f, node));
  return {
    kind: "scalar",
    type: pair.type,
    value,
    range: resultRange(operator.text, knownRange(f, pair.left), knownRange(f, pair.right), pair.type),
  };
}

/** Shifts have the left operand's type; the count may be of any integer type. */
function shifted(
  f: Lowering,
  operator: Operator,
  left: Operand,
  right: Operand,
  node: ts.Node,
  leftNode: ts.Node,
  rightNode: ts.Node,
): Operand {
  const count = right.kind === "literal" ? right.value : undefined;
  if (left.kind === "literal" && right.kind === "literal") {
    const folded = operator.fold(left.value, right.value);
    if (folded !== undefined) return { kind: "literal", value: folded, wide: left.wide };
  }
  const l = toScalar(f, left, leftNode);
  if (!l || l.type.kind !== "int") return ERROR;
  const type = promoted(l.type);
  const width = irType(type);
  let known = count ?? (right.kind === "scalar" ? constantOf(f, right) : undefined);
  if (known !== undefined && !(f.b.reachable() && isConstantExpression(f, rightNode)))
    known = BigInt.asUintN(type.bits === 64 ? 6 : 5, known);
  if (known !== undefined && (known < 0n || known >= BigInt(type.bits))) {
    return fail(f, "shift-count", rightNode, { count: `${known}`, type: typeName(type), last: type.bits - 1 });
  }
  let by: Value;
  if (known !== undefined) by = f.b.constant(width, known, at(f, rightNode));
  else {
    const r = toScalar(f, right, rightNode);
    if (!r || r.type.kind !== "int") return ERROR;
    by = r.value;
    if (by.type !== width) by = f.b.unary(width === "w64" ? "zext" : "trunc", by, at(f, rightNode));
    // A constant found by a later pass may be out of the verifier's range for immediate counts, so the modulo is spelled out.
    if (knownRange(f, r).min < 0n || knownRange(f, r).max >= BigInt(type.bits))
      by = f.b.binary("and", by, f.b.constant(width, BigInt(type.bits - 1), at(f, rightNode)), at(f, rightNode));
  }
  const result: IntLayout = operator.text === ">>>" && type.signed ? { ...type, signed: false } : type;
  const op = type.signed ? operator.signed : operator.unsigned;
  const value = f.b.binary(op, l.value, by, at(f, node));
  const counts: Range = known === undefined ? { min: 0n, max: BigInt(type.bits - 1) } : { min: known, max: known };
  const range =
    operator.text === ">>>" && type.signed
      ? rangeOf(result)
      : resultRange(operator.text, knownRange(f, l), counts, result);
  return { kind: "scalar", type: result, value, range };
}

/** What a result can be, if nothing wraps; else all of the type. */
function resultRange(operator: string, a: Range, b: Range, type: IntLayout): Range {
  const all = rangeOf(type);
  const made = rawRange(operator, a, b);
  return made && within(made, all) ? made : all;
}
function rawRange(operator: string, a: Range, b: Range): Range | undefined {
  const positive = a.min >= 0n && b.min >= 0n;
  const corners = (run: (x: bigint, y: bigint) => bigint): Range => {
    const all = [run(a.min, b.min), run(a.min, b.max), run(a.max, b.min), run(a.max, b.max)];
    return { min: all.reduce((x, y) => (x < y ? x : y)), max: all.reduce((x, y) => (x > y ? x : y)) };
  };
  switch (operator) {
    case "+":
      return { min: a.min + b.min, max: a.max + b.max };
    case "-":
      return { min: a.min - b.max, max: a.max - b.min };
    case "*":
      return corners((x, y) => x * y);
    case "/":
      return positive ? { min: b.min > 0n ? a.min / b.max : 0n, max: b.min > 0n ? a.max / b.min : a.max } : undefined;
    case "%":
      return positive ? { min: 0n, max: b.min > 0n && b.max - 1n < a.max ? b.max - 1n : a.max } : undefined;
    case "&":
      return positive
        ? { min: 0n, max: a.max < b.max ? a.max : b.max }
        : b.min === b.max && b.min >= 0n
          ? { min: 0n, max: b.max }
          : undefined;
    case "|":
    case "^":
      return positive ? { min: 0n, max: (1n << BigInt((a.max | b.max).toString(2).length)) - 1n } : undefined;
    case "<<":
      return positive ? { min: a.min << b.min, max: a.max << b.max } : undefined;
    case ">>":
      return { min: a.min < 0n ? a.min >> b.min : a.min >> b.max, max: a.max < 0n ? a.max >> b.max : a.max >> b.min };
    case ">>>":
      return positive ? { min: a.min >> b.max, max: a.max >> b.min } : undefined;
    default:
      return undefined;
  }
}

export const boolOf = (value: Value): Scalar => ({ kind: "scalar", type: BOOL, value });

/** Unary minus, plus and complement. */
export function unary(f: Lowering, token: ts.SyntaxKind, operand: Operand, node: ts.Node): Operand {
  if (operand.kind === "error") return ERROR;
  const text = token === K.MinusToken ? "-" : token === K.TildeToken ? "~" : "+";
  if (!isNumeric(operand)) {
    if (operand.kind === "scalar" && operand.type.kind === "be")
      return fail(f, "network-order-arithmetic", node, {
        operator: text,
        type: typeName(operand.type),
        ...byteOrderFunctions(operand.type.bits),
      });
    return fail(f, "no-operator", node, { operator: text, left: describe(operand), right: "" });
  }
  if (operand.kind === "literal") {
    if (text === "-") return { ...operand, value: -operand.value };
    if (text === "~") return { ...operand, value: ~operand.value, wraps: true };
    return operand;
  }
  const scalar = toScalar(f, operand, node);
  if (!scalar || scalar.type.kind !== "int") return ERROR;
  if (text === "+") return scalar;
  const type: IntLayout = scalar.type.bits < 32 ? (text === "-" ? I32 : U32) : scalar.type;
  const span = at(f, node);
  if (text === "-") {
    const { min, max } = knownRange(f, scalar);
    const range = { min: -max, max: -min };
    return {
      kind: "scalar",
      type,
      value: f.b.unary("neg", scalar.value, span),
      range: within(range, rangeOf(type)) ? range : rangeOf(type),
    };
  }
  const ones = f.b.constant(irType(type), -1n, span);
  return { kind: "scalar", type, value: f.b.binary("xor", scalar.value, ones, span) };
}
