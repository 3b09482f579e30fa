/** Fixes that need the tree: tests for undefined, imports. What the text alone says is in diagnostics/fixes.ts. */
import { ts } from "ts-morph";
import { importOf, type Edit, type Fix } from "../diagnostics.ts";
import type { LanguageModule, ParsedFile } from "./project.ts";

const edit = (file: ParsedFile, start: number, end: number, text: string): Edit => ({
  at: { file: file.index, start, end },
  text,
});

/**
 * `if (x === undefined) return;` before the statement that uses `x`. What is no name gets one first. Undefined where the
 * statement cannot have another before it, where the expression is not always evaluated, or where what to return is not plain.
 */
export function testFor(file: ParsedFile, node: ts.Expression): Fix | undefined {
  const statement = statementOf(node);
  const exit = statement && exitOf(statement);
  if (!statement || !exit) return undefined;
  const start = statement.getStart(file.tree);
  const indent = indentAt(file.source.text, start);
  const text = node.getText(file.tree);
  if (isName(node)) {
    const test = `if (${text} === undefined) ${exit}`;
    return { title: `test it first: ${test}`, edits: [edit(file, start, start, `${test}\n${indent}`)] };
  }
  const name = freeName(file.source.text);
  const lines = [`const ${name} = ${text};`, `if (${name} === undefined) ${exit}`];
  const before = lines.map((line) => `${line}\n${indent}`).join("");
  const from = node.getStart(file.tree);
  // One edit where both begin at one place: editors differ in the order of two.
  const edits =
    from === start
      ? [edit(file, from, node.end, before + name)]
      : [edit(file, start, start, before), edit(file, from, node.end, name)];
  return { title: `name it, and test it first: ${lines[1]}`, edits };
}

/** The same for `x!`, which is taken away. */
export function testInstead(file: ParsedFile, node: ts.NonNullExpression): Fix | undefined {
  const fix = testFor(file, node.expression);
  return fix && { ...fix, edits: [...fix.edits, edit(file, node.expression.end, node.end, "")] };
}

/** The test that `testFor` puts before a use, in words that also serve where no fix can be made. */
export function testText(file: ParsedFile, node: ts.Expression): string {
  const text = node.getText(file.tree);
  const [before, name] =
    isName(node) || text.length > 40 ? ["", text.slice(0, 40)] : [`const value = ${text}; `, "value"];
  return `${before}if (${name} === undefined) ${exitOf(node) ?? "return …;"}`;
}

/** A name, or a path of fields from one: TypeScript remembers what is found out about it. */
function isName(node: ts.Expression): boolean {
  return ts.isIdentifier(node) || (ts.isPropertyAccessExpression(node) && isName(node.expression));
}

/** The statement that evaluates an expression exactly once, if it is one of a list. */
function statementOf(node: ts.Node): ts.Statement | undefined {
  for (let at = node; ; at = at.parent) {
    const { parent } = at;
    if (!parent || ts.isArrowFunction(parent) || ts.isConditionalExpression(parent)) return undefined;
    const lazy =
      ts.isBinaryExpression(parent) &&
      parent.right === at &&
      [ts.SyntaxKind.AmpersandAmpersandToken, ts.SyntaxKind.BarBarToken, ts.SyntaxKind.QuestionQuestionToken].includes(
        parent.operatorToken.kind,
      );
    if (lazy || ts.isForStatement(parent) || ts.isWhileStatement(parent) || ts.isDoStatement(parent)) return undefined;
    if (ts.isStatement(at) && (ts.isBlock(parent) || ts.isCaseOrDefaultClause(parent))) return at;
    if (ts.isSourceFile(parent) || (ts.isStatement(at) && !ts.isBlock(parent))) return undefined;
  }
}

/** How what is around a place is left: a loop goes on with the next turn, a function returns as its own last return does it. */
function exitOf(place: ts.Node): string | undefined {
  const loop = ts.findAncestor(place, (one) =>
    ts.isFunctionLike(one)
      ? "quit"
      : ts.isIterationStatement(one, false) && one.statement.pos <= place.pos && one.statement.end >= place.end,
  );
  if (loop) return "continue;";
  const around = ts.findAncestor(place, (one): one is ts.FunctionLikeDeclaration => ts.isFunctionLike(one));
  if (!around?.body) return undefined;
  if (!ts.isBlock(around.body)) return undefined;
  const values: (ts.Expression | undefined)[] = [];
  const look = (node: ts.Node): void => {
    if (ts.isReturnStatement(node)) values.push(node.expression);
    else if (!ts.isFunctionLike(node)) ts.forEachChild(node, look);
  };
  ts.forEachChild(around.body, look);
  const last = values.at(-1);
  if (!last) return "return;";
  if (isCondition(last)) return "return false;";
  return /^(-?\d\w*|true|false|undefined)$/.test(last.getText()) ? `return ${last.getText()};` : undefined;
}

/** A comparison: who returns one returns a boolean. */
const isCondition = (node: ts.Expression): boolean =>
  ts.isBinaryExpression(node) &&
  node.operatorToken.kind >= ts.SyntaxKind.LessThanToken &&
  node.operatorToken.kind <= ts.SyntaxKind.ExclamationEqualsEqualsToken;

function freeName(text: string): string {
  const taken = (name: string): boolean => new RegExp(`\\b${name}\\b`).test(text);
  const name = ["entry", "found", "value"].find((one) => !taken(one));
  if (name) return name;
  let count = 2;
  while (taken(`entry${count}`)) count++;
  return `entry${count}`;
}

const indentAt = (text: string, offset: number): string =>
  /^[ \t]*/.exec(text.slice(text.lastIndexOf("\n", offset - 1) + 1, offset))![0];

export const importFix = (file: ParsedFile, name: string, home: LanguageModule): Fix => ({
  title: `import ${name} from ${home}`,
  edits: importOf(file.source.text, file.index, name, home),
});

/** `license("GPL");` behind the imports. */
export function licenseFix(file: ParsedFile): Fix {
  const end = file.tree.statements.filter(ts.isImportDeclaration).at(-1)?.end ?? 0;
  const line = edit(file, end, end, end === 0 ? 'license("GPL");\n' : '\n\nlicense("GPL");');
  return { title: 'add license("GPL");', edits: [...importOf(file.source.text, file.index, "license", "tsbpf"), line] };
}

/** The expression that an error of the checker is about, where it marks the name or the field that gets the value. */
export function valueOf(file: ParsedFile, start: number, end: number): ts.Expression | undefined {
  const node = innermost(file.tree, start, end);
  const { parent } = node;
  if (ts.isVariableDeclaration(parent) && parent.name === node) return parent.initializer;
  if (ts.isPropertyAssignment(parent) && parent.name === node) return parent.initializer;
  for (let at: ts.Node = node; ts.isExpression(at); at = at.parent)
    if (
      ts.isBinaryExpression(at.parent) &&
      at.parent.left === at &&
      at.parent.operatorToken.kind === ts.SyntaxKind.EqualsToken &&
      at.getStart(file.tree) === start
    )
      return at.parent.right;
  if (ts.isReturnStatement(node)) return node.expression;
  return ts.isExpression(node) ? node : undefined;
}

/** What is marked. */
export const nodeAt = (file: ParsedFile, start: number, end: number): ts.Node => innermost(file.tree, start, end);

/** The expression that is marked. */
export function expressionAt(file: ParsedFile, start: number, end: number): ts.Expression | undefined {
  const node = innermost(file.tree, start, end);
  return ts.isExpression(node) ? node : undefined;
}

function innermost(tree: ts.SourceFile, start: number, end: number): ts.Node {
  let found: ts.Node = tree;
  for (let inner: ts.Node | undefined = tree; inner;) {
    found = inner;
    // The outermost node that is exactly the span.
    if (found !== tree && found.getStart(tree) === start && found.end === end) return found;
    inner = ts.forEachChild(found, (child) => (child.getStart(tree) <= start && child.end >= end ? child : undefined));
  }
  return found;
}
