/** A value written down in a TypeScript file: `export default` of literals, arrays and objects. It is read, never run. */
import { ts } from "ts-morph";

/** Where something is in a text, and what is wrong there. Lines and columns begin at 1. */
export interface LiteralProblem {
  readonly line: number;
  readonly column: number;
  readonly text: string;
}
/** A value, with the places of what is in it, by the way to it: "sources", "programs.web.params". */
export type Literal =
  | {
      readonly value: unknown;
      readonly places: ReadonlyMap<string, { readonly line: number; readonly column: number }>;
    }
  | { readonly problem: LiteralProblem };

/**
 * The value that a file exports by default, through `defineConfig(…)`, `satisfies` and `as` if need be. A file that ends in
 * .json is the value itself.
 */
export function readLiteral(path: string, text: string): Literal {
  const isJson = path.endsWith(".json");
  const kind = isJson ? ts.ScriptKind.JSON : ts.ScriptKind.TS;
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true, kind);
  const [wrong] = (file as unknown as { parseDiagnostics: readonly ts.DiagnosticWithLocation[] }).parseDiagnostics;
  const placeAt = (position: number): { line: number; column: number } => {
    const { line, character } = file.getLineAndCharacterOfPosition(position);
    return { line: line + 1, column: character + 1 };
  };
  if (wrong)
    return { problem: { ...placeAt(wrong.start), text: ts.flattenDiagnosticMessageText(wrong.messageText, "\n") } };
  const exported = isJson
    ? file.statements.find(ts.isExpressionStatement)
    : file.statements.find(ts.isExportAssignment);
  if (!exported || (ts.isExportAssignment(exported) && exported.isExportEquals))
    return { problem: { line: 1, column: 1, text: isJson ? "it is empty" : "it has no `export default { … }`" } };
  const places = new Map<string, { line: number; column: number }>();
  try {
    const value = valueOf(exported.expression, "", (way, node) => places.set(way, placeAt(node.getStart(file))));
    return { value, places };
  } catch (error) {
    if (!(error instanceof NotLiteral)) throw error;
    return { problem: { ...placeAt(error.node.getStart(file)), text: error.message } };
  }
}

class NotLiteral extends Error {
  readonly node: ts.Node;
  constructor(node: ts.Node, message = "this is not written down as a value") {
    super(message);
    this.node = node;
  }
}

/** Functions of tsbpf/config that give back what they are given. */
const DEFINES: ReadonlySet<string> = new Set(["defineConfig", "defineService"]);

/** Without what says its type, and without the function that does. */
function bare(node: ts.Expression): ts.Expression {
  if (ts.isParenthesizedExpression(node) || ts.isSatisfiesExpression(node) || ts.isAsExpression(node))
    return bare(node.expression);
  const [argument] = ts.isCallExpression(node) && node.arguments.length === 1 ? node.arguments : [];
  return argument && ts.isCallExpression(node) && ts.isIdentifier(node.expression) && DEFINES.has(node.expression.text)
    ? bare(argument)
    : node;
}

const nameOf = (name: ts.PropertyName): string | undefined =>
  ts.isIdentifier(name) || ts.isStringLiteralLike(name) ? name.text : undefined;

/** `seen` is told where each value of an object is, by the way to it. */
function valueOf(given: ts.Expression, way: string, seen: (way: string, node: ts.Node) => void): unknown {
  const node = bare(given);
  if (ts.isStringLiteralLike(node)) return node.text;
  if (ts.isNumericLiteral(node)) return Number(node.text);
  if (
    ts.isPrefixUnaryExpression(node) &&
    node.operator === ts.SyntaxKind.MinusToken &&
    ts.isNumericLiteral(node.operand)
  )
    return -Number(node.operand.text);
  if (node.kind === ts.SyntaxKind.TrueKeyword) return true;
  if (node.kind === ts.SyntaxKind.FalseKeyword) return false;
  const below = (name: string | number): string => (way === "" ? `${name}` : `${way}.${name}`);
  if (ts.isArrayLiteralExpression(node))
    return node.elements.map((element, index) => valueOf(element, below(index), seen));
  if (!ts.isObjectLiteralExpression(node)) throw new NotLiteral(node);
  const entries = new Map<string, unknown>();
  for (const property of node.properties) {
    const name = property.name && nameOf(property.name);
    if (!ts.isPropertyAssignment(property) || name === undefined) throw new NotLiteral(property);
    if (entries.has(name)) throw new NotLiteral(property, `"${name}" is said twice`);
    seen(below(name), property);
    entries.set(name, valueOf(property.initializer, below(name), seen));
  }
  return Object.fromEntries(entries);
}
