/** Where a local name is used, by the syntax tree alone: what can run after a place in it, and how. */
import { ts } from "ts-morph";
import { COMPOUND } from "./arithmetic.ts";
import { bare } from "./lowering.ts";

/** How many loops of its function run a node anew in each turn. */
export function loopsAround(node: ts.Node): number {
  let count = 0;
  for (let inner = node, outer = node.parent; outer && !ts.isFunctionLike(inner); inner = outer, outer = outer.parent)
    if (runsEachTurn(outer, inner)) count++;
  return count;
}
function runsEachTurn(loop: ts.Node, part: ts.Node): boolean {
  if (ts.isForOfStatement(loop)) return part !== loop.expression;
  return ts.isIterationStatement(loop, false) && !(ts.isForStatement(loop) && part === loop.initializer);
}

/** The nearest block (or function) around a declaration: a name of it means nothing outside. */
export function scopeOf(declaration: ts.Node): ts.Node {
  let node = declaration.parent;
  while (node.parent && !ts.isBlock(node) && !ts.isFunctionLike(node) && !ts.isCaseBlock(node) && !isEachTurns(node))
    node = node.parent;
  return node;
}
/** What is declared by `for (const x of …)` is another one in each turn, by `for (let x = …;…;…)` one for all. */
const isEachTurns = (node: ts.Node): boolean => isLoop(node) && !ts.isForStatement(node);
const isLoop = (node: ts.Node): boolean => ts.isIterationStatement(node, false);

/** Uses of a name inside of a node: identifiers that stand for a value, not names of fields. */
export function usesIn(node: ts.Node, name: string, found: (use: ts.Identifier) => boolean): boolean {
  if (ts.isIdentifier(node)) return node.text === name && !isFieldName(node) && found(node);
  return ts.forEachChild(node, (child) => usesIn(child, name, found) || undefined) ?? false;
}
function isFieldName(node: ts.Identifier): boolean {
  const { parent } = node;
  if (ts.isPropertyAccessExpression(parent)) return parent.name === node;
  if (ts.isPropertyAssignment(parent)) return parent.name === node;
  return ts.isVariableDeclaration(parent) && parent.name === node;
}

/** Can a use of the name that `found` accepts run after `node`, before `scope` is left? */
export function usedAfter(
  node: ts.Node,
  scope: ts.Node,
  name: string,
  found: (use: ts.Identifier) => boolean = () => true,
): boolean {
  const uses = (other: ts.Node | undefined): boolean => other !== undefined && usesIn(other, name, found);
  for (let inner = node; inner !== scope; inner = inner.parent) {
    const outer = inner.parent;
    if (!outer || ts.isFunctionLike(inner)) return false;
    if (isLoop(outer)) {
      // A scope that is the loop itself is a new one in each turn.
      if (outer !== scope && runsEachTurn(outer, inner) && uses(outer)) return true;
    } else if (ts.isIfStatement(outer) || ts.isConditionalExpression(outer)) {
      const [test, ...arms] = ts.isIfStatement(outer)
        ? [outer.expression, outer.thenStatement, outer.elseStatement]
        : [outer.condition, outer.whenTrue, outer.whenFalse];
      if (inner === test && arms.some(uses)) return true;
    } else if (ts.isCaseBlock(outer)) {
      const at = outer.clauses.indexOf(inner as ts.CaseOrDefaultClause);
      const following = outer.clauses.slice(at + 1);
      // From the test of a case on to the tests and statements after it; from its statements to nowhere else.
      if (contains((inner as ts.CaseClause).expression, node) && (uses(inner) || following.some(uses))) return true;
    } else if (ts.isBlock(outer) || ts.isSourceFile(outer) || ts.isCaseOrDefaultClause(outer)) {
      const list = outer.statements;
      for (const next of list.slice(list.indexOf(inner as ts.Statement) + 1)) {
        if (uses(next)) return true;
        if (ts.isReturnStatement(next)) return false;
        if (ts.isBreakOrContinueStatement(next) && !loopBetween(next, scope)) return false;
      }
    } else if (ts.forEachChild(outer, (child) => (child.pos >= inner.end && uses(child)) || undefined)) return true;
  }
  return false;
}
const contains = (outer: ts.Node | undefined, inner: ts.Node): boolean =>
  outer !== undefined && outer.pos <= inner.pos && inner.end <= outer.end;
/** Is there a loop or switch around `node` inside of `scope`, so that a jump stays in the scope? */
function loopBetween(node: ts.Node, scope: ts.Node): boolean {
  for (let outer = node.parent; outer && outer !== scope; outer = outer.parent)
    if (isLoop(outer) || ts.isSwitchStatement(outer)) return true;
  return false;
}

/** Is this use of a struct's name a mere store through it: `name.field = …`, `name.list[i] += …` as a statement? */
export function isStoreThrough(use: ts.Identifier): boolean {
  let node: ts.Node = use;
  while (
    (ts.isPropertyAccessExpression(node.parent) || ts.isElementAccessExpression(node.parent)) &&
    node.parent.expression === node
  )
    node = node.parent;
  if (node === use) return false;
  const { parent } = node;
  if (!ts.isExpressionStatement(parent.parent)) return false;
  if (ts.isPrefixUnaryExpression(parent) || ts.isPostfixUnaryExpression(parent))
    return parent.operator === ts.SyntaxKind.PlusPlusToken || parent.operator === ts.SyntaxKind.MinusMinusToken;
  if (!ts.isBinaryExpression(parent) || parent.left !== node) return false;
  const token = parent.operatorToken.kind;
  return token === ts.SyntaxKind.EqualsToken || COMPOUND.has(token);
}

/** The name that an expression is, in whatever parentheses. */
export const nameOf = (written: ts.Expression): string | undefined => {
  const node = bare(written);
  return ts.isIdentifier(node) ? node.text : undefined;
};
