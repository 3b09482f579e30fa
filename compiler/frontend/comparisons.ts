/** Comparisons between scalars, and what is said of those that make no sense. */
import { ts } from "ts-morph";
import type { CompareOp, Value } from "../ir/ir.ts";
import { bothNumeric, byteOrderFunctions, unify, type Pair } from "./arithmetic.ts";
import { at, fail, type Lowering } from "./lowering.ts";
import type { Operand } from "./operand.ts";
import { textComparison, textHelp, textsOf } from "./text-comparison.ts";
import { typeName } from "./types.ts";
import { byteOrderCall, describe, isNumeric, toScalar } from "./values.ts";

const K = ts.SyntaxKind;
export const COMPARISONS: ReadonlyMap<
  ts.SyntaxKind,
  { readonly signed: CompareOp; readonly unsigned: CompareOp; readonly text: string }
> = new Map([
  [K.EqualsEqualsEqualsToken, { text: "===", signed: "eq", unsigned: "eq" }],
  [K.ExclamationEqualsEqualsToken, { text: "!==", signed: "ne", unsigned: "ne" }],
  [K.LessThanToken, { text: "<", signed: "slt", unsigned: "ult" }],
  [K.LessThanEqualsToken, { text: "<=", signed: "sle", unsigned: "ule" }],
  [K.GreaterThanToken, { text: ">", signed: "sgt", unsigned: "ugt" }],
  [K.GreaterThanEqualsToken, { text: ">=", signed: "sge", unsigned: "uge" }],
]);

/** What is compared: two values of one type, and the operator for it. */
export interface Comparison {
  readonly op: CompareOp;
  readonly left: Value;
  readonly right: Value;
}
/** `left operator right` for the operators of COMPARISONS, between scalars; reports what cannot be compared. */
export function comparison(
  f: Lowering,
  token: ts.SyntaxKind,
  left: Operand,
  right: Operand,
  node: ts.Node,
  leftNode: ts.Node,
  rightNode: ts.Node,
): Comparison | undefined {
  const operator = COMPARISONS.get(token)!;
  if (left.kind === "error" || right.kind === "error") return undefined;
  const equality = operator.unsigned === "eq" || operator.unsigned === "ne";
  if (isNumeric(left) && isNumeric(right)) {
    const pair = unify(f, left, right, node, leftNode, rightNode);
    if (pair) decidedBySign(f, operator.text, left, right, pair, node, leftNode, rightNode);
    return (
      pair && {
        op: pair.type.signed ? operator.signed : operator.unsigned,
        left: pair.left.value,
        right: pair.right.value,
      }
    );
  }
  if (!equality) return void bothNumeric(f, operator.text, left, right, node);
  const texts = textsOf(left, right);
  if (texts !== undefined) return textComparison(f, operator.unsigned, left, right, texts, node);
  const unlike = textHelp(operator.text, left, right);
  if (unlike !== undefined)
    return void fail(f, "not-comparable", node, { left: describe(left), right: describe(right), help: unlike });
  const leftText = left.kind === "text";
  const l = toScalar(f, left, leftNode, right.kind === "scalar" && leftText ? right.type : undefined);
  const r = l && toScalar(f, right, rightNode, l.type);
  if (!l || !r) return undefined;
  const same =
    (l.type.kind === "be" && r.type.kind === "be" && l.type.bits === r.type.bits) ||
    (l.type.kind === "bool" && r.type.kind === "bool") ||
    (l.type.kind === "string" && r.type.kind === "string" && compatibleStrings(l.type.codes, r.type.codes));
  if (same) return { op: operator.unsigned, left: l.value, right: r.value };
  const be = l.type.kind === "be" ? l.type : r.type.kind === "be" ? r.type : undefined;
  // The side that was converted is the one too many: `conn.localPort === htons(443)`.
  const calls = [leftNode, rightNode].filter((one) => byteOrderCall(one) !== undefined);
  const needless = calls.flatMap((one) => byteOrderCall(one) ?? []);
  const help =
    needless.length > 0 && be
      ? `leave out ${needless.map((one) => `${one}()`).join(" or ")}: both sides have one byte order then`
      : be && (isNumeric(left) || isNumeric(right))
        ? `convert the number: ${byteOrderFunctions(be.bits).from}(…)`
        : be?.bits === 32 && (left.kind === "text" || right.kind === "text")
          ? "convert it: ipv4(…)"
          : undefined;
  return void fail(f, "not-comparable", node, {
    left: describe(left),
    right: describe(right),
    ...(help
      ? { help, place: at(f, calls[0] ?? (isNumeric(left) || left.kind === "text" ? leftNode : rightNode)) }
      : {}),
  });
}
/** `room < 0` of an unsigned value: true of no value, or of all. JavaScript would compare a difference that may be negative. */
function decidedBySign(
  f: Lowering,
  operator: string,
  left: Operand,
  right: Operand,
  pair: Pair,
  node: ts.Node,
  leftNode: ts.Node,
  rightNode: ts.Node,
): void {
  const onRight = right.kind === "literal" && right.value === 0n && left.kind === "scalar" && left.type.kind === "int";
  const onLeft = left.kind === "literal" && left.value === 0n && right.kind === "scalar" && right.type.kind === "int";
  if (pair.type.signed || f.constantOnly || (!onRight && !onLeft)) return;
  const turned = onRight ? operator : operator === "<" ? ">" : operator === "<=" ? ">=" : operator === ">" ? "<" : "<=";
  if (turned !== "<" && turned !== ">=") return;
  const { type } = onRight ? pair.left : pair.right;
  const value = onRight ? leftNode : rightNode;
  const name = value.getText(f.file.tree).slice(0, 40);
  const text = node.getText(f.file.tree).slice(0, 60);
  const holds = turned === ">=";
  const facts = { text, type: typeName(type) };
  const loop = node.parent;
  const signed = pair.type.bits === 64 ? "i64" : "i32";
  if (
    holds &&
    ts.isForStatement(loop) &&
    loop.condition === node &&
    ts.isIdentifier(value) &&
    !leaves(loop.statement)
  ) {
    const init =
      loop.initializer && ts.isVariableDeclarationList(loop.initializer) ? loop.initializer.declarations[0] : undefined;
    const from = init?.initializer?.getText(f.file.tree).slice(0, 40) ?? "…";
    fail(f, "unsigned-countdown", node, {
      ...facts,
      name,
      help: `declare it with a sign: let ${name}: ${signed} = ${from}`,
      place: init && { ...at(f, init.name), end: init.type?.end ?? init.name.end },
    });
  } else
    fail(f, "unsigned-compare", node, {
      ...facts,
      holds,
      help: ts.isIdentifier(value)
        ? `give ${name} a sign where it is declared, ${name}: ${signed}, or compare before you subtract: a < b`
        : `compare before you subtract, a < b, or compute with a sign: ${signed}(…)`,
    });
}
/** Whether a loop's body can end the loop. */
function leaves(node: ts.Node): boolean {
  if (ts.isBreakStatement(node) || ts.isReturnStatement(node)) return true;
  return ts.forEachChild(node, (child) => leaves(child) || undefined) ?? false;
}

const compatibleStrings = (a: ReadonlyMap<string, bigint>, b: ReadonlyMap<string, bigint>): boolean =>
  [...a].every(([text, code]) => (b.get(text) ?? code) === code);
