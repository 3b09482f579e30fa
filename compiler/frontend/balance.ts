/**
 * Long chains of && and of || as trees as deep as the logarithm of their length. The parser makes them as deep as they are long;
 * what walks them recursively runs out of stack, and TypeScript's checker looks at the whole left side again for each `||` of an
 * `if`. Both operators are associative: the operands are evaluated in the same order, and as many of them.
 */
import { ts } from "ts-morph";

/** Operands below which a chain is left as it is. */
const LONG = 32;

type Mutable = { -readonly [P in keyof ts.BinaryExpression]: ts.BinaryExpression[P] };

const isChain = (node: ts.Node): node is ts.BinaryExpression =>
  ts.isBinaryExpression(node) &&
  (node.operatorToken.kind === ts.SyntaxKind.AmpersandAmpersandToken ||
    node.operatorToken.kind === ts.SyntaxKind.BarBarToken);

/** Changes a parsed file in place, before it is bound. */
export function balanceChains(tree: ts.SourceFile): void {
  const open: ts.Node[] = [tree];
  for (let node = open.pop(); node; node = open.pop()) {
    if (isChain(node)) balance(node);
    ts.forEachChild(node, (child) => void open.push(child));
  }
}

function balance(root: ts.BinaryExpression): void {
  const spine: ts.BinaryExpression[] = [root];
  for (let left: ts.Node = root.left; isChain(left); left = left.left) {
    if (left.operatorToken.kind !== root.operatorToken.kind) break;
    spine.push(left);
  }
  if (spine.length < LONG) return;
  const operands = [spine.at(-1)!.left, ...spine.map((one) => one.right).reverse()];
  const operators = spine.map((one) => one.operatorToken).reverse();
  const unused = [...spine].reverse() as Mutable[];
  /** The operands from `first` to `last`. The outermost call takes the root, which its parent refers to. */
  const build = (first: number, last: number): ts.Expression => {
    if (first === last) return operands[first]!;
    const node = unused.pop()!;
    const middle = (first + last) >> 1;
    node.left = build(first, middle);
    node.operatorToken = operators[middle]!;
    node.right = build(middle + 1, last);
    for (const child of [node.left, node.operatorToken, node.right]) (child as { parent: ts.Node }).parent = node;
    (node as { pos: number }).pos = node.left.pos;
    (node as { end: number }).end = node.right.end;
    return node;
  };
  build(0, operands.length - 1);
}
