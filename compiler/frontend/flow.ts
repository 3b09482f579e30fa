/**
 * Takes out of TypeScript's control flow what cannot narrow any type. For each use of a name the checker walks back over all the
 * conditions and assignments before it, so a chain of n comparisons costs n² steps and, past 2,000, makes it give up. Most
 * conditions here compare integers, and an integer type of the language is no union: nothing that is known of its value
 * changes its type. (But for a plain `number`: that 3 is not 4 is not said of a variable that was compared with 3 before.)
 */
import { ts } from "ts-morph";

const K = ts.SyntaxKind;

/** The binder's flow nodes (types.ts of TypeScript, not part of its public interface). */
interface Flow {
  flags: number;
  node?: ts.Node & { switchStatement?: ts.SwitchStatement };
  antecedent?: Flow | Flow[];
}
interface Bound {
  flowNode?: Flow | undefined;
  endFlowNode?: Flow;
  returnFlowNode?: Flow;
  fallthroughFlowNode?: Flow;
}
const BRANCH = 4;
const LOOP = 8;
const ASSIGNMENT = 16;
const TRUE = 32;
const FALSE = 64;
const SWITCH = 128;
const CALL = 512;
const SHARED = 4096;

/** Statements and conditions of a file below which the walk back costs nothing. */
const SMALL = 150;

const COUNTED: ReadonlySet<ts.SyntaxKind> = new Set([
  K.ExpressionStatement,
  K.VariableStatement,
  K.IfStatement,
  K.ConditionalExpression,
  K.CaseClause,
  K.AmpersandAmpersandToken,
  K.BarBarToken,
  K.QuestionQuestionToken,
]);
const RELATIONS: ReadonlySet<ts.SyntaxKind> = new Set([
  K.LessThanToken,
  K.LessThanEqualsToken,
  K.GreaterThanToken,
  K.GreaterThanEqualsToken,
]);
const ARITHMETIC: ReadonlySet<ts.SyntaxKind> = new Set([
  K.PlusToken,
  K.MinusToken,
  K.AsteriskToken,
  K.SlashToken,
  K.PercentToken,
  K.AmpersandToken,
  K.BarToken,
  K.CaretToken,
  K.LessThanLessThanToken,
  K.GreaterThanGreaterThanToken,
  K.GreaterThanGreaterThanGreaterThanToken,
]);

/** Shortens the flow of a bound file. To be called before the checker has looked at it. */
export function shortenFlow(tree: ts.SourceFile, checker: ts.TypeChecker): void {
  const nodes = inOrder(tree);
  if (!nodes) return;
  const shortened = new Map<Flow, Flow>();
  const loops: Flow[] = [];

  const typeOf = (node: ts.Node): ts.Type => checker.getTypeAtLocation(node);

  /** Whether a flow node can say anything about any type. */
  function matters(flow: Flow): boolean {
    if (flow.flags & (TRUE | FALSE)) return narrows(flow.node as ts.Expression);
    if (flow.flags & CALL) return false; // neither assertions nor functions that never return are in the language
    if (flow.flags & SWITCH) return !isInteger(typeOf(flow.node!.switchStatement!.expression));
    if (flow.flags & ASSIGNMENT) return !neverNarrowed(flow.node!);
    return true;
  }

  function narrows(written: ts.Expression): boolean {
    const { parent } = written;
    if (ts.isBinaryExpression(parent) && parent.operatorToken.kind === K.QuestionQuestionToken) return true;
    let node = written;
    while (ts.isParenthesizedExpression(node)) node = node.expression;
    if (ts.isPrefixUnaryExpression(node) && node.operator === K.ExclamationToken) return narrows(node.operand);
    if (!ts.isBinaryExpression(node)) return !isIntegerReference(node);
    const token = node.operatorToken.kind;
    if (RELATIONS.has(token) || ARITHMETIC.has(token)) return false;
    if (token !== K.EqualsEqualsEqualsToken && token !== K.ExclamationEqualsEqualsToken) return true;
    return !sideIsSafe(node.left) || !sideIsSafe(node.right);
  }

  function sideIsSafe(written: ts.Expression): boolean {
    let node = written;
    while (ts.isParenthesizedExpression(node)) node = node.expression;
    if (ts.isNumericLiteral(node) || ts.isBigIntLiteral(node)) return true;
    if (ts.isPrefixUnaryExpression(node) && node.operator !== K.ExclamationToken)
      return ts.isNumericLiteral(node.operand) || ts.isBigIntLiteral(node.operand);
    if (ts.isBinaryExpression(node)) return ARITHMETIC.has(node.operatorToken.kind);
    return isIntegerReference(node);
  }

  function isIntegerReference(node: ts.Expression): boolean {
    if (node.flags & ts.NodeFlags.OptionalChain) return false;
    if (ts.isIdentifier(node) ? node.text === "undefined" : !isAccess(node) && !ts.isCallExpression(node)) return false;
    return isInteger(typeOf(node));
  }

  /** Whether a name or a field has one type wherever it has a value, and has a value from the start. */
  function neverNarrowed(node: ts.Node): boolean {
    if (isAccess(node)) return isInteger(typeOf(node));
    const symbol = checker.getSymbolAtLocation(ts.isVariableDeclaration(node) ? node.name : node);
    const declared = symbol?.valueDeclaration;
    if (!symbol || !declared) return false;
    if (ts.isParameter(declared)) {
      if (declared.initializer || declared.questionToken) return false;
    } else if (!ts.isVariableDeclaration(declared) || !isInitialised(declared)) return false;
    const type = checker.getTypeOfSymbol(symbol);
    return isInteger(type) || (isObject(type) && isConstant(declared));
  }

  /** What a chain of flow nodes comes to without those that say nothing. */
  function shorten(first: Flow): Flow {
    const found = shortened.get(first);
    if (found) return found;
    // Depth first without recursion: chains are as long as the source.
    const open: Flow[] = [first];
    while (open.length > 0) {
      const flow = open[open.length - 1]!;
      if (shortened.has(flow)) {
        open.pop();
        continue;
      }
      const { antecedent } = flow;
      if (flow.flags & LOOP || antecedent === undefined) {
        // A loop's end lies further on in the text.
        if (flow.flags & LOOP) loops.push(flow);
        shortened.set(flow, flow);
        open.pop();
        continue;
      }
      const before = Array.isArray(antecedent) ? antecedent : [antecedent];
      const missing = before.filter((one) => !shortened.has(one));
      if (missing.length > 0) {
        open.push(...missing);
        continue;
      }
      open.pop();
      if (Array.isArray(antecedent)) {
        const different = new Set(before.map((one) => shortened.get(one)!));
        const [only] = different;
        if (flow.flags & BRANCH && different.size === 1) forward(flow, only!);
        else {
          flow.antecedent = [...different];
          shortened.set(flow, flow);
        }
      } else if (!matters(flow)) forward(flow, shortened.get(antecedent)!);
      else {
        shortened.set(flow, flow);
        flow.antecedent = shortened.get(antecedent)!;
      }
    }
    return shortened.get(first)!;
  }
  function forward(from: Flow, to: Flow): void {
    shortened.set(from, to);
    // The checker remembers what it found where several ways meet.
    to.flags |= from.flags & SHARED;
  }

  // First the uses that need no flow at all: asking for types below looks at some of them, when the assignments that they
  // would be led to are gone already.
  for (const node of nodes)
    if (ts.isIdentifier(node) && (node as Bound).flowNode && isUse(node) && neverNarrowed(node))
      (node as Bound).flowNode = undefined;
  for (const node of nodes) {
    const bound = node as Bound;
    for (const key of ["flowNode", "endFlowNode", "returnFlowNode", "fallthroughFlowNode"] as const)
      if (bound[key]) bound[key] = shorten(bound[key]);
  }
  // The list grows while loops within the ends of loops are found.
  for (const loop of loops) loop.antecedent = [...new Set((loop.antecedent as Flow[]).map(shorten))];
}

const isAccess = (node: ts.Node): node is ts.PropertyAccessExpression | ts.ElementAccessExpression =>
  ts.isPropertyAccessExpression(node) || ts.isElementAccessExpression(node);
const isUse = (node: ts.Identifier): boolean =>
  !ts.isVariableDeclaration(node.parent) || node.parent.initializer === node;
const isInitialised = (node: ts.VariableDeclaration): boolean =>
  node.initializer !== undefined || ts.isForOfStatement(node.parent.parent);
const isConstant = (node: ts.Declaration): boolean =>
  ts.isParameter(node) || (ts.getCombinedNodeFlags(node) & ts.NodeFlags.Const) !== 0;
/** `number`, and `number & { … }`: what the language's integers and addresses are to TypeScript. */
const isInteger = (type: ts.Type): boolean =>
  type.isIntersection() ? type.types.some(isInteger) : (type.flags & INTEGERS) !== 0;
const INTEGERS = ts.TypeFlags.Number | ts.TypeFlags.BigInt | ts.TypeFlags.ESSymbol;
const isObject = (type: ts.Type): boolean => (type.flags & ts.TypeFlags.Object) !== 0;

/** All nodes by place in the text; undefined for a small file, and for one with `try`, whose flow has other shapes. */
function inOrder(tree: ts.SourceFile): ts.Node[] | undefined {
  const nodes: ts.Node[] = [];
  const open: ts.Node[] = [tree];
  let counted = 0;
  for (let node = open.pop(); node; node = open.pop()) {
    if (ts.isTryStatement(node)) return undefined;
    if (COUNTED.has(node.kind)) counted++;
    nodes.push(node);
    const children: ts.Node[] = [];
    ts.forEachChild(node, (child) => void children.push(child));
    for (const child of children.reverse()) open.push(child);
  }
  return counted > SMALL ? nodes : undefined;
}
