/** What to write instead, said with the program's own names. */
import { ts } from "ts-morph";
import type { Edit, Fix } from "../diagnostics.ts";
import type { ParsedFile } from "./project.ts";

const MOST_TEXT = 40;
const short = (file: ParsedFile, node: ts.Node): string => node.getText(file.tree).slice(0, MOST_TEXT);

/** For a pattern: the names one by one. `value` is what it takes apart, where that is known. */
export function insteadOfPattern(file: ParsedFile, pattern: ts.Node, value?: ts.Expression): string {
  const isNamed = value && (ts.isIdentifier(value) || ts.isPropertyAccessExpression(value));
  const from = isNamed ? short(file, value) : undefined;
  if (ts.isObjectBindingPattern(pattern)) {
    const [first] = pattern.elements;
    const field = first && (first.propertyName ?? first.name);
    const name = field && ts.isIdentifier(field) ? field.text : "field";
    if (ts.isParameter(pattern.parent))
      return `take it whole, under a name, and its fields where they are used: value.${name}`;
    const local = first && ts.isIdentifier(first.name) ? first.name.text : name;
    return `name each value: const ${local} = ${from ?? "value"}.${name}`;
  }
  if (ts.isArrayBindingPattern(pattern)) return `name each value: const a = ${from ?? "list"}[0]`;
  // `[a, b] = [b, a]`
  if (ts.isArrayLiteralExpression(pattern) && value && ts.isArrayLiteralExpression(value) && pattern.elements[1]) {
    const [first, second] = pattern.elements.map((one) => short(file, one));
    return `assign one after the other: const kept = ${first}; ${first} = ${second}; ${second} = kept;`;
  }
  return "assign one after the other: a = list[0];";
}

/** `x * 0.7` as `(x * 7) / 10`: what is multiplied by a fraction, in integers. Undefined of a fraction that is no factor. */
export function factorInIntegers(
  file: ParsedFile,
  node: ts.NumericLiteral,
): { readonly text: string; readonly fix: Fix } | undefined {
  const digits = /^(\d*)\.(\d{1,6})$/.exec(node.getText(file.tree));
  const { parent } = node;
  if (!digits || !ts.isBinaryExpression(parent) || parent.operatorToken.kind !== ts.SyntaxKind.AsteriskToken)
    return undefined;
  const other = parent.left === node ? parent.right : parent.left;
  const by = Number(`${digits[1]}${digits[2]}`);
  const text = `(${other.getText(file.tree)} * ${by}) / ${10 ** digits[2]!.length}`;
  const at = { file: file.index, start: parent.getStart(file.tree), end: parent.end };
  return { text, fix: { title: `multiply, then divide: ${text}`, edits: [{ at, text }] } };
}

/** The members of an enum as the fields of a record. */
export function enumFields(node: ts.EnumDeclaration): string {
  let next = 0;
  const fields = node.members.map((member) => {
    const given =
      member.initializer && ts.isNumericLiteral(member.initializer) ? Number(member.initializer.text) : next;
    next = given + 1;
    return `${member.name.getText()}: ${given}`;
  });
  return fields.length === 0 ? "First: 0, Second: 1" : fields.join(", ").slice(0, 200);
}

/** `x == null` as `x === undefined`, which holds where a value is missing; undefined of other comparisons. */
export function missingTest(
  file: ParsedFile,
  node: ts.BinaryExpression,
): { readonly instead: string; readonly fix: Fix } | undefined {
  const isEqual = node.operatorToken.kind === ts.SyntaxKind.EqualsEqualsToken;
  const nothing = [node.left, node.right].find(
    (one) => one.kind === ts.SyntaxKind.NullKeyword || (ts.isIdentifier(one) && one.text === "undefined"),
  );
  if (!nothing) return undefined;
  const edit = (at: ts.Node, text: string): Edit => ({
    at: { file: file.index, start: at.getStart(file.tree), end: at.end },
    text,
  });
  const operator = isEqual ? "===" : "!==";
  const instead = nothing === node.left ? `undefined ${operator}` : `${operator} undefined`;
  const edits = [edit(node.operatorToken, operator), edit(nothing, "undefined")].sort(
    (a, b) => a.at.start - b.at.start,
  );
  return { instead, fix: { title: `write ${instead}`, edits } };
}

/** `map.get(key)`: its parts as texts. */
export function getCall(
  file: ParsedFile,
  node: ts.Expression,
): { readonly map: string; readonly key: string } | undefined {
  if (!ts.isCallExpression(node) || !ts.isPropertyAccessExpression(node.expression)) return undefined;
  const { name, expression: map } = node.expression;
  const [key] = node.arguments;
  return name.text === "get" && key ? { map: short(file, map), key: short(file, key) } : undefined;
}

/** ``log`a ${b}` `` with everything that a call of log is given. */
export function logTemplate(file: ParsedFile, args: readonly ts.Expression[]): string | undefined {
  const parts = args.map((one) => {
    const text = ts.isStringLiteral(one) ? one.text : `\${${one.getText(file.tree)}}`;
    return ts.isStringLiteral(one) && /[`\\]|\$\{/.test(text) ? undefined : text;
  });
  return parts.length === 0 || parts.includes(undefined) ? undefined : `\`${parts.join(" ")}\``;
}
