/** What can stand at a place of a program, and what a name there is: for editors that have no TypeScript server of their own (the playground). */
import { ts } from "ts-morph";
import type { SourceFile } from "../span.ts";
import { unlessCheckerFails } from "./checker-failure.ts";
import { openProject, type Declarations } from "./project.ts";

export interface NameFacts {
  readonly name: string;
  readonly kind: "function" | "variable" | "class" | "property" | "method" | "type" | "text";
  /** Its type, on one line. */
  readonly type: string;
  /** What its declaration says about it. */
  readonly text: string;
}
export interface Completions {
  /** Offset at which the word begins that is being written. */
  readonly from: number;
  readonly names: readonly NameFacts[];
}

const MOST_NAMES = 400;
const NOTHING: readonly NameFacts[] = [];

interface Opened {
  readonly tree: ts.SourceFile;
  readonly checker: ts.TypeChecker;
}
function open(source: SourceFile, declarations: Declarations): Opened {
  const project = openProject(source, () => undefined, declarations);
  return { tree: project.files[0]!.tree, checker: project.program().getTypeChecker() };
}

/** The names that fit at an offset; none where that cannot be told. */
export function completionsAt(source: SourceFile, offset: number, declarations: Declarations): Completions {
  const from = offset - /[\w$]*$/.exec(source.text.slice(Math.max(0, offset - 100), offset))![0].length;
  const names = unlessCheckerFails(() => {
    const opened = open(source, declarations);
    const { tree, checker } = opened;
    const node = nodeAt(tree, Math.max(from - 1, 0));
    const object = memberOf(tree, from);
    if (object) return membersOf(opened, checker.getNonNullableType(checker.getTypeAtLocation(object)), object);
    const text = nodeAt(tree, offset);
    if (ts.isStringLiteralLike(text)) return textsOf(checker, text);
    const literal = literalAt(node, from);
    if (literal) {
      const wanted = checker.getContextualType(literal);
      const there = new Set(
        literal.properties.flatMap((one) => (one.name && one.getEnd() !== offset ? one.name.getText() : [])),
      );
      return wanted ? membersOf(opened, wanted, literal).filter(({ name }) => !there.has(name)) : NOTHING;
    }
    const flags = ts.SymbolFlags.Value | ts.SymbolFlags.Type | ts.SymbolFlags.Alias;
    return checker
      .getSymbolsInScope(node, flags)
      .filter((symbol) => /^[\w$]+$/.test(symbol.name) && isOfProgram(symbol))
      .slice(0, MOST_NAMES)
      .map((symbol) => factsOf(opened, symbol, node));
  });
  return { from, names: names ?? NOTHING };
}

/** What the name at an offset is; undefined where there is none. */
export function nameAt(source: SourceFile, offset: number, declarations: Declarations): NameFacts | undefined {
  return unlessCheckerFails(() => {
    const opened = open(source, declarations);
    const node = nodeAt(opened.tree, offset);
    const symbol = ts.isIdentifier(node) ? opened.checker.getSymbolAtLocation(node) : undefined;
    return symbol && factsOf(opened, symbol, node);
  });
}

/** What the library of JavaScript has is hardly ever in the language. */
const isOfProgram = ({ declarations = [] }: ts.Symbol): boolean =>
  declarations.some((one) => !one.getSourceFile().fileName.endsWith("/lib.d.ts"));

/** The innermost node around an offset. */
function nodeAt(tree: ts.SourceFile, offset: number): ts.Node {
  let found: ts.Node = tree;
  for (;;) {
    const inner: ts.Node | undefined = ts.forEachChild(found, (child) =>
      child.getStart(tree) <= offset && offset < child.getEnd() ? child : undefined,
    );
    if (!inner) return found;
    found = inner;
  }
}

/** What stands before the point in front of an offset. */
function memberOf(tree: ts.SourceFile, from: number): ts.Expression | undefined {
  let found: ts.Expression | undefined;
  const visit = (node: ts.Node): void => {
    if (from < node.getFullStart() || from > node.getEnd() + 1) return;
    if (
      ts.isPropertyAccessExpression(node) &&
      node.name.getStart(tree) >= from - 1 &&
      node.expression.getEnd() < from
    ) {
      const between = tree.text.slice(node.expression.getEnd(), from);
      if (/^\s*\??\.\s*$/.test(between)) found = node.expression;
    }
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return found;
}

/** The object literal in which a property's name would begin at an offset. */
function literalAt(node: ts.Node, from: number): ts.ObjectLiteralExpression | undefined {
  const literal = ts.isObjectLiteralExpression(node) ? node : undefined;
  if (!literal) return undefined;
  const before = literal.getSourceFile().text.slice(literal.getStart(), from);
  return /[{,]\s*$/.test(before.replaceAll(/\/\/[^\n]*|\/\*[\s\S]*?\*\//g, "")) ? literal : undefined;
}

function membersOf(opened: Opened, type: ts.Type, place: ts.Node): readonly NameFacts[] {
  return type
    .getApparentProperties()
    .filter(({ name }) => /^[\w$]+$/.test(name))
    .slice(0, MOST_NAMES)
    .map((symbol) => factsOf(opened, symbol, place));
}

/** The texts that a literal may be, where its type names them. */
function textsOf(checker: ts.TypeChecker, literal: ts.StringLiteralLike): readonly NameFacts[] {
  const wanted = checker.getContextualType(literal);
  const types = wanted?.isUnion() ? wanted.types : wanted ? [wanted] : [];
  return types.flatMap((one): NameFacts[] =>
    one.isStringLiteral() ? [{ name: one.value, kind: "text", type: "", text: "" }] : [],
  );
}

const KINDS: readonly (readonly [ts.SymbolFlags, NameFacts["kind"]])[] = [
  [ts.SymbolFlags.Method, "method"],
  [ts.SymbolFlags.Property | ts.SymbolFlags.Accessor, "property"],
  [ts.SymbolFlags.Function, "function"],
  [ts.SymbolFlags.Class, "class"],
  [ts.SymbolFlags.Variable, "variable"],
  [ts.SymbolFlags.Type, "type"],
];

function factsOf({ checker }: Opened, symbol: ts.Symbol, place: ts.Node): NameFacts {
  const meant = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
  const kind = KINDS.find(([flags]) => meant.flags & flags)?.[1] ?? "variable";
  const typed =
    kind === "type" ? checker.getDeclaredTypeOfSymbol(meant) : checker.getTypeOfSymbolAtLocation(meant, place);
  const type = checker.typeToString(typed, undefined, ts.TypeFormatFlags.NoTruncation).replaceAll(/\s+/g, " ");
  const text = (meant.declarations ?? []).map(documentation).find((one) => one !== "") ?? "";
  return { name: symbol.name, kind, type: type.length > 300 ? `${type.slice(0, 299)}…` : type, text };
}

/** The comment before a declaration; a variable's stands before its statement. */
function documentation(declaration: ts.Declaration): string {
  const commented = ts.isVariableDeclaration(declaration) ? declaration.parent.parent : declaration;
  return ts
    .getJSDocCommentsAndTags(commented)
    .flatMap((one) => (ts.isJSDoc(one) ? (ts.getTextOfJSDocComment(one.comment) ?? []) : []))
    .join("\n");
}
