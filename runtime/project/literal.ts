/** A value written down in a TypeScript file: `export default` of literals, arrays and objects. It is read, never run. */
import { ts } from "ts-morph";

/** Where something is in a text, and what is wrong there. Lines and columns begin at 1. */
export interface LiteralProblem {
  readonly line: number;
  readonly column: number;
  readonly text: string;
}
/** A value, with the places of an object's values by their names. */
export type Literal =
  | {
      readonly value: unknown;
      readonly places: ReadonlyMap<string, { readonly line: number; readonly column: number }>;
    }
  | { readonly problem: LiteralProblem };

/** The value that a file exports by default, through `defineConfig(…)`, `satisfies` and `as` if need be. */
export function readLiteral(path: string, text: string): Literal {
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true, ts.ScriptKind.TS);
  const [wrong] = (file as unknown as { parseDiagnostics: readonly ts.DiagnosticWithLocation[] }).parseDiagnostics;
  const placeAt = (position: number): { line: number; column: number } => {
    const { line, character } = file.getLineAndCharacterOfPosition(position);
    return { line: line + 1, column: character + 1 };
  };
  if (wrong)
    return { problem: { ...placeAt(wrong.start), text: ts.flattenDiagnosticMessageText(wrong.messageText, "\n") } };
  const exported = file.statements.find((one): one is ts.ExportAssignment => ts.isExportAssignment(one));
  if (!exported || exported.isExportEquals)
    return { problem: { line: 1, column: 1, text: "it has no `export default { … }`" } };
  const root = bare(exported.expression);
  const places = new Map<string, { line: number; column: number }>();
  if (ts.isObjectLiteralExpression(root))
    for (const property of root.properties)
      if (property.name) places.set(nameOf(property.name) ?? "", placeAt(property.getStart(file)));
  try {
    return { value: valueOf(root), places };
  } catch (error) {
    if (!(error instanceof NotLiteral)) throw error;
    return { problem: { ...placeAt(error.node.getStart(file)), text: "this is not written down as a value" } };
  }
}

class NotLiteral extends Error {
  readonly node: ts.Node;
  constructor(node: ts.Node) {
    super("not a literal");
    this.node = node;
  }
}

/** Without what says its type, and without the function that does. */
function bare(node: ts.Expression): ts.Expression {
  if (ts.isParenthesizedExpression(node) || ts.isSatisfiesExpression(node) || ts.isAsExpression(node))
    return bare(node.expression);
  const [argument] = ts.isCallExpression(node) && node.arguments.length === 1 ? node.arguments : [];
  return argument &&
    ts.isCallExpression(node) &&
    ts.isIdentifier(node.expression) &&
    node.expression.text === "defineConfig"
    ? bare(argument)
    : node;
}

const nameOf = (name: ts.PropertyName): string | undefined =>
  ts.isIdentifier(name) || ts.isStringLiteralLike(name) ? name.text : undefined;

function valueOf(given: ts.Expression): unknown {
  const node = bare(given);
  if (ts.isStringLiteralLike(node)) return node.text;
  if (ts.isNumericLiteral(node)) return Number(node.text);
  if (node.kind === ts.SyntaxKind.TrueKeyword) return true;
  if (node.kind === ts.SyntaxKind.FalseKeyword) return false;
  if (ts.isArrayLiteralExpression(node)) return node.elements.map(valueOf);
  if (!ts.isObjectLiteralExpression(node)) throw new NotLiteral(node);
  return Object.fromEntries(
    node.properties.map((property) => {
      const name = property.name && nameOf(property.name);
      if (!ts.isPropertyAssignment(property) || name === undefined) throw new NotLiteral(property);
      return [name, valueOf(property.initializer)] as const;
    }),
  );
}
