/** What to write instead, said with the program's own names. */
import { ts } from "ts-morph";
import type { Edit, Fix } from "../diagnostics.ts";
import type { ParsedFile } from "./project.ts";

const MOST_TEXT = 40;
/** The text of a node; of a long one `instead`, as a part of it would be no code. */
const short = (file: ParsedFile, node: ts.Node, instead: string): string => {
  const text = node.getText(file.tree);
  return text.length > MOST_TEXT ? instead : text;
};

/** For a pattern: the names one by one. `value` is what it takes apart, where that is known. */
export function insteadOfPattern(file: ParsedFile, pattern: ts.Node, value?: ts.Expression): string {
  const isNamed = value && (ts.isIdentifier(value) || ts.isPropertyAccessExpression(value));
  const from = isNamed ? short(file, value, "value") : undefined;
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
    const [first, second] = pattern.elements.map((one, index) => short(file, one, "ab"[index] ?? "c"));
    return `assign one after the other: const kept = ${first}; ${first} = ${second}; ${second} = kept;`;
  }
  return "assign one after the other: a = list[0];";
}

/**
 * `x * 0.7` as `(x * 7) / 10`, of 64 bits as `(x * 7n) / 10n`: what is multiplied by a fraction, in integers. Undefined of a fraction that is no
 * factor.
 */
export function factorInIntegers(
  file: ParsedFile,
  node: ts.NumericLiteral,
  isWide: (other: ts.Expression) => boolean,
): { readonly text: string; readonly fix: Fix } | undefined {
  const digits = /^(\d*)\.(\d{1,6})$/.exec(node.getText(file.tree));
  const { parent } = node;
  if (!digits || !ts.isBinaryExpression(parent) || parent.operatorToken.kind !== ts.SyntaxKind.AsteriskToken)
    return undefined;
  const other = parent.left === node ? parent.right : parent.left;
  const by = Number(`${digits[1]}${digits[2]}`);
  const n = isWide(other) ? "n" : "";
  const text = `(${other.getText(file.tree)} * ${by}${n}) / ${10 ** digits[2]!.length}${n}`;
  const at = { file: file.index, start: parent.getStart(file.tree), end: parent.end };
  return { text, fix: { title: `multiply, then divide: ${text}`, edits: [{ at, text }] } };
}

const MOST_FIELDS = 200;
/** The members of an enum as the fields of a record; those that make the text too long are left out, whole. */
export function enumFields(node: ts.EnumDeclaration): string {
  /** The value of the one before; a text where it is not known here. */
  let last: number | string = -1;
  let fields = "";
  for (const { name, initializer } of node.members) {
    last = initializer ? valueOf(initializer) : typeof last === "number" ? last + 1 : `${last} + 1`;
    const more = `${fields === "" ? "" : ", "}${name.getText()}: ${last}`;
    if (fields.length + more.length > MOST_FIELDS) break;
    fields += more;
  }
  return fields === "" ? "First: 0, Second: 1" : fields;
}
function valueOf(node: ts.Expression): number | string {
  if (ts.isNumericLiteral(node)) return Number(node.text);
  const isNegative = ts.isPrefixUnaryExpression(node) && node.operator === ts.SyntaxKind.MinusToken;
  if (isNegative && ts.isNumericLiteral(node.operand)) return -Number(node.operand.text);
  return ts.isBinaryExpression(node) ? `(${node.getText()})` : node.getText();
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
  return name.text === "get" && key ? { map: short(file, map, "map"), key: short(file, key, "key") } : undefined;
}

/** ``log`a ${b}` `` with everything that a call of log is given. */
export function logTemplate(file: ParsedFile, args: readonly ts.Expression[]): string | undefined {
  const parts = args.map((one) => {
    const text = ts.isStringLiteral(one) ? one.text : `\${${one.getText(file.tree)}}`;
    return ts.isStringLiteral(one) && /[`\\]|\$\{/.test(text) ? undefined : text;
  });
  return parts.length === 0 || parts.includes(undefined) ? undefined : `\`${parts.join(" ")}\``;
}
