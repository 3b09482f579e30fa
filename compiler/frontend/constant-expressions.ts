/**
 * Is an expression constant by what is written, not by what happens to be known of a variable at this point? Errors about constants
 * (a division by zero, an index outside) must not depend on how far values are followed.
 */
import { ts } from "ts-morph";
import { bare, lookup, type Lowering } from "./lowering.ts";
import { entityAt } from "./names.ts";

export function isConstantExpression(f: Lowering, written: ts.Node): boolean {
  if (!ts.isExpression(written)) return true;
  const node = bare(written);
  if (ts.isNumericLiteral(node) || ts.isBigIntLiteral(node)) return true;
  if (ts.isPrefixUnaryExpression(node)) return isConstantExpression(f, node.operand);
  if (ts.isBinaryExpression(node)) return isConstantExpression(f, node.left) && isConstantExpression(f, node.right);
  if (ts.isIdentifier(node)) {
    const local = lookup(f, node.text);
    if (local) return local.kind === "operand" && local.operand.kind === "literal";
  }
  if (ts.isIdentifier(node) || ts.isPropertyAccessExpression(node)) {
    const entity = entityAt(f, node);
    return entity?.kind === "constant" || (entity?.kind === "builtin" && /^[A-Z]/.test(entity.name));
  }
  // A cast of a constant, the size of a type.
  if (!ts.isCallExpression(node) || node.arguments.length !== 1) return false;
  const callee = entityAt(f, node.expression);
  if (callee?.kind !== "builtin") return false;
  return (
    callee.name === "sizeOf" || (/^[ui](8|16|32|64)$/.test(callee.name) && isConstantExpression(f, node.arguments[0]!))
  );
}

/**
 * Is it a number as it stands: literals, and operators on them? Only there an index outside is certainly a slip of the pen; through
 * a name or a turn it may be meant, and the type says `V | undefined`.
 */
export function isLiteral(written: ts.Node): boolean {
  if (!ts.isExpression(written)) return false;
  const node = bare(written);
  if (ts.isNumericLiteral(node) || ts.isBigIntLiteral(node)) return true;
  if (ts.isPrefixUnaryExpression(node)) return isLiteral(node.operand);
  return ts.isBinaryExpression(node) && isLiteral(node.left) && isLiteral(node.right);
}
