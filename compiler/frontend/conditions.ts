/** Conditions as jumps, and the operators that evaluate one side only: && || ?? ?: */
import { ts } from "ts-morph";
import type { Label } from "../ir/build.ts";
import { pointerIn, unlessMissing } from "./access.ts";
import { comparison, COMPARISONS } from "./comparisons.ts";
import { at, bare, fail, type Lowering } from "./lowering.ts";
import { ERROR, UNDEFINED, type Operand } from "./operand.ts";
import { pointerOf } from "./roles.ts";
import { asPlace } from "./memory.ts";
import { join } from "./shapes.ts";
import type { DslType } from "./types.ts";
import { describe } from "./values.ts";
import { asBoolean, expression } from "./visit.ts";

const K = ts.SyntaxKind;
const isUndefined = (node: ts.Expression): boolean => ts.isIdentifier(node) && node.text === "undefined";

/** Jumps to `yes` or `no`. */
export function condition(f: Lowering, written: ts.Expression, yes: Label, no: Label): void {
  const node = bare(written);
  if (ts.isPrefixUnaryExpression(node) && node.operator === K.ExclamationToken)
    return condition(f, node.operand, no, yes);
  if (ts.isBinaryExpression(node)) {
    const token = node.operatorToken.kind;
    if (token === K.AmpersandAmpersandToken || token === K.BarBarToken) {
      const both = f.b.label();
      if (token === K.AmpersandAmpersandToken) condition(f, node.left, both, no);
      else condition(f, node.left, yes, both);
      f.b.place(both);
      return condition(f, node.right, yes, no);
    }
    if (token === K.EqualsEqualsEqualsToken || token === K.ExclamationEqualsEqualsToken) {
      const [equal, unequal] = token === K.EqualsEqualsEqualsToken ? [yes, no] : [no, yes];
      const left = bare(node.left);
      const right = bare(node.right);
      if (isUndefined(right)) return presence(f, expression(f, left), unequal, equal, node);
      if (isUndefined(left)) return presence(f, expression(f, right), unequal, equal, node);
    }
    if (COMPARISONS.has(token)) {
      const left = expression(f, node.left);
      const right = expression(f, node.right);
      return compare(f, token, { operand: left, node: node.left }, { operand: right, node: node.right }, node, yes, no);
    }
  }
  truth(f, expression(f, node), yes, no, node);
}

/** One side of a comparison, evaluated. */
export interface Side {
  readonly operand: Operand;
  readonly node: ts.Node;
}
/** May it be undefined at run time? */
export const mayBeMissing = (operand: Operand): boolean =>
  operand.kind === "optional" ||
  operand.kind === "nullable" ||
  operand.kind === "undefined" ||
  (operand.kind === "context" && operand.nullable === true);

/** Jumps to `yes` where the comparison holds, else to `no`. A missing value equals nothing but another missing one. */
export function compare(
  f: Lowering,
  token: ts.SyntaxKind,
  left: Side,
  right: Side,
  node: ts.Node,
  yes: Label,
  no: Label,
): void {
  const span = at(f, node);
  const [l, r] = [left.operand, right.operand];
  const unequal = token === K.ExclamationEqualsEqualsToken;
  if (l.kind === "text" && r.kind === "text") return f.b.jump((l.text === r.text) !== unequal ? yes : no, span);
  const equality = unequal || token === K.EqualsEqualsEqualsToken;
  if (equality && l.kind !== "error" && r.kind !== "error") {
    const [equal, other] = unequal ? [no, yes] : [yes, no];
    if (r.kind === "undefined") return presence(f, l, other, equal, node);
    if (l.kind === "undefined") return presence(f, r, other, equal, node);
    if (l.kind === "optional" && r.kind === "optional") {
      const missing = f.b.label();
      const there = unlessMissing(f, l, missing, left.node);
      const both = unlessMissing(f, r, other, right.node);
      compare(f, token, { ...left, operand: there }, { ...right, operand: both }, node, yes, no);
      f.b.place(missing);
      return presence(f, r, other, equal, node);
    }
    if (l.kind === "optional")
      return compare(f, token, { ...left, operand: unlessMissing(f, l, other, left.node) }, right, node, yes, no);
    if (r.kind === "optional")
      return compare(f, token, left, { ...right, operand: unlessMissing(f, r, other, right.node) }, node, yes, no);
    // One struct of the kernel's has one address; what is missing has 0.
    if (l.kind === "context" && r.kind === "context" && l.role === r.role && pointerOf(l.role))
      return f.b.branch("eq", l.ctx, r.ctx, equal, other, span);
  }
  const found = comparison(f, token, l, r, node, left.node, right.node);
  if (found) f.b.branch(found.op, found.left, found.right, yes, no, span);
  else f.b.jump(no, span);
}

/** Jumps to `there` unless the operand is undefined. */
function presence(f: Lowering, operand: Operand, there: Label, missing: Label, node: ts.Node): void {
  const span = at(f, node);
  const pointer = pointerIn(operand);
  if (pointer) f.b.branch("ne", pointer, f.b.null(pointer, span), there, missing, span);
  else if (operand.kind === "optional")
    f.b.branch("ne", operand.present, f.b.constant("w32", 0n, span), there, missing, span);
  else f.b.jump(operand.kind === "undefined" ? missing : there, span);
}

/** JavaScript's truth: numbers unless 0, false, undefined. */
export function truth(f: Lowering, operand: Operand, yes: Label, no: Label, node: ts.Node): void {
  const span = at(f, node);
  switch (operand.kind) {
    case "literal":
      return f.b.jump(operand.value !== 0n ? yes : no, span);
    case "text":
      return f.b.jump(operand.text !== "" ? yes : no, span);
    case "scalar":
      // Every code of a string is above 0, and so is an address but 0.0.0.0, which JavaScript would call true: the type is opaque.
      if (operand.type.kind === "string" || operand.type.kind === "be") return f.b.jump(yes, span);
      return f.b.branch("ne", operand.value, f.b.constant(operand.value.type, 0n, span), yes, no, span);
    case "optional": {
      if (operand.of.kind === "int") zeroOrMissing(f, node);
      const there = f.b.label();
      f.b.branch("ne", operand.present, f.b.constant("w32", 0n, span), there, no, span);
      f.b.place(there);
      return truth(f, { kind: "scalar", type: operand.of, value: operand.value }, yes, no, node);
    }
    case "nullable":
    case "context":
      return presence(f, operand, yes, no, node);
    case "undefined":
      return f.b.jump(no, span);
    case "error":
      // Both ways stay reachable, so that what follows is looked at too.
      return f.b.branch("ne", unknownBit(f, node), f.b.constant("w32", 0n, span), yes, no, span);
    case "entity":
      fail(f, "type-mismatch", node, { expected: "a condition", found: describe(operand) });
      return f.b.jump(yes, span);
    default:
      return f.b.jump(yes, span);
  }
}
/** `if (!count)`: what is missing and what is 0 are alike, which is rarely meant. */
function zeroOrMissing(f: Lowering, node: ts.Node): void {
  // `if (trusted.get(address))` is how one asks a set of ones.
  if (ts.isCallExpression(node)) return;
  const { parent } = node;
  const or =
    ts.isBinaryExpression(parent) &&
    parent.operatorToken.kind === K.BarBarToken &&
    parent.left === node &&
    !isCondition(parent);
  fail(f, "zero-or-missing", node, { text: node.getText(f.file.tree).slice(0, 40), or });
}
/** Whether an expression is asked for its truth alone. */
function isCondition(node: ts.Expression): boolean {
  const { parent } = node;
  if (ts.isParenthesizedExpression(parent) || ts.isPrefixUnaryExpression(parent)) return isCondition(parent);
  if (ts.isBinaryExpression(parent)) return COMPARISONS.has(parent.operatorToken.kind) || isCondition(parent);
  return (
    ((ts.isIfStatement(parent) || ts.isWhileStatement(parent) || ts.isDoStatement(parent)) &&
      parent.expression === node) ||
    (ts.isConditionalExpression(parent) && parent.condition === node) ||
    (ts.isForStatement(parent) && parent.condition === node)
  );
}

/** Some value that is no constant; only in code that is never emitted. */
const unknownBit = (f: Lowering, node: ts.Node) => f.b.call("get_prandom_u32", [], "w32", at(f, node));

/** `a ? b : c`. */
export function ternary(f: Lowering, node: ts.ConditionalExpression, expected?: DslType): Operand {
  const yes = f.b.label();
  const no = f.b.label();
  condition(f, node.condition, yes, no);
  const arm = (label: Label, value: ts.Expression) => {
    f.b.place(label);
    const operand = expression(f, value, expected);
    const end = f.b.label();
    f.b.jump(end, at(f, value));
    return { label: end, operand, node: value };
  };
  const first = arm(yes, node.whenTrue);
  return join(f, [first, arm(no, node.whenFalse)], node, expected);
}

/** What stands on the left of `??`, or the value of `otherwise` where that is undefined. */
export function valueOr(
  f: Lowering,
  left: Operand,
  otherwise: () => Operand,
  leftNode: ts.Node,
  rightNode: ts.Node,
  expected?: DslType,
): Operand {
  const keep = f.b.label();
  const other = f.b.label();
  let kept = unlessMissing(f, left, other, leftNode);
  f.b.jump(keep, at(f, leftNode));
  f.b.place(other);
  const right = otherwise();
  const end = f.b.label();
  f.b.jump(end, at(f, rightNode));
  // Both are there: not a reference that may be missing any more.
  if (kept.kind === "nullable" && right.kind === "place" && !kept.ref) kept = asPlace(f, kept, leftNode) ?? kept;
  const arms = [
    { label: keep, operand: kept, node: leftNode },
    { label: end, operand: right, node: rightNode },
  ];
  return join(f, arms, rightNode, expected);
}

/** `a && b`, `a || b`, `a ?? b` as values. */
export function logical(f: Lowering, node: ts.BinaryExpression, expected?: DslType): Operand {
  const token = node.operatorToken.kind;
  if (token !== K.QuestionQuestionToken && isBoolean(node.left) && isBoolean(node.right)) return asBoolean(f, node);
  const left = expression(f, node.left, expected);
  if (left.kind === "error") {
    expression(f, node.right, expected);
    return ERROR;
  }
  const evaluateRight = (): Operand => expression(f, node.right, expected);
  if (token === K.QuestionQuestionToken) return valueOr(f, left, evaluateRight, node.left, node.right, expected);
  const keep = f.b.label();
  const other = f.b.label();
  let kept: Operand = left;
  if (token === K.BarBarToken) {
    truth(f, left, keep, other, node.left);
    if (left.kind === "optional") kept = { kind: "scalar", type: left.of, value: left.value };
  } else {
    truth(f, left, other, keep, node.left);
    if (pointerIn(left)) kept = UNDEFINED;
  }
  f.b.place(other);
  const right = evaluateRight();
  const end = f.b.label();
  f.b.jump(end, at(f, node));
  return join(
    f,
    [
      { label: keep, operand: kept, node: node.left },
      { label: end, operand: right, node: node.right },
    ],
    node,
    expected,
  );
}

/** Is it certainly a boolean, by its form? */
function isBoolean(written: ts.Expression): boolean {
  const node = bare(written);
  if (node.kind === K.TrueKeyword || node.kind === K.FalseKeyword) return true;
  if (ts.isPrefixUnaryExpression(node)) return node.operator === K.ExclamationToken;
  if (!ts.isBinaryExpression(node)) return false;
  const token = node.operatorToken.kind;
  if (COMPARISONS.has(token)) return true;
  return (
    (token === K.AmpersandAmpersandToken || token === K.BarBarToken) && isBoolean(node.left) && isBoolean(node.right)
  );
}
