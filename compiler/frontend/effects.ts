/** Does evaluating an expression do anything but read? */
import { ts } from "ts-morph";
import { COMPOUND } from "./arithmetic.ts";
import type { Lowering } from "./lowering.ts";
import { entityAt } from "./names.ts";

const K = ts.SyntaxKind;
/** Functions of the language that only compute. */
const PURE = /^([iu](8|16|32|64)|[hn]to[hn](s|l|ll)|min|max|clamp|ipv[46]|inPrefix|cstr|sizeOf)$/;

/** By its form: an assignment, a step, or a call of anything that does more than compute. */
export function hasEffect(f: Lowering, node: ts.Node): boolean {
  if (ts.isBinaryExpression(node)) {
    const token = node.operatorToken.kind;
    if (token === K.EqualsToken || COMPOUND.has(token)) return true;
  }
  if ((ts.isPrefixUnaryExpression(node) || ts.isPostfixUnaryExpression(node)) && isStep(node.operator)) return true;
  if (ts.isTaggedTemplateExpression(node)) return true;
  if (ts.isCallExpression(node)) {
    const callee = entityAt(f, node.expression);
    if (callee?.kind !== "builtin" || !PURE.test(callee.name)) return true;
  }
  return ts.forEachChild(node, (child) => (hasEffect(f, child) ? true : undefined)) ?? false;
}
const isStep = (operator: ts.SyntaxKind): boolean => operator === K.PlusPlusToken || operator === K.MinusMinusToken;
