/** Imports run one way: layers.ts says which. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import ts from "typescript";
import { describe, expect, test } from "vitest";
import { kernels } from "../../compiler/bpf/kernels.ts";
import { root } from "../programs.ts";
import { CIRCLES, FOR_BROWSERS, LAYERS, LIBRARIES } from "./layers.ts";

interface Import {
  readonly from: string;
  readonly to: string;
  /** Types alone, of which nothing is left when the program runs. */
  readonly typesOnly: boolean;
}

const files = ["compiler", "runtime"].flatMap((top) =>
  readdirSync(join(root, top), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts") && !file.endsWith(".d.ts"))
    .map((file) => `${top}/${file}`),
);

/** Every import of a file of ours: declarations, re-exports and `import()`. */
function importsOf(from: string): Import[] {
  const text = readFileSync(join(root, from), "utf8");
  const found: Import[] = [];
  const add = (specifier: string, typesOnly: boolean): void => {
    if (specifier.startsWith(".")) found.push({ from, to: normalize(join(dirname(from), specifier)), typesOnly });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) && ts.isStringLiteral(node.moduleSpecifier)) {
      const clause = node.importClause;
      const names = clause?.namedBindings;
      const each =
        names && ts.isNamedImports(names) && !clause.name && names.elements.length > 0
          ? names.elements.every((one) => one.isTypeOnly)
          : false;
      add(node.moduleSpecifier.text, clause?.isTypeOnly === true || each);
    } else if (ts.isExportDeclaration(node) && node.moduleSpecifier && ts.isStringLiteral(node.moduleSpecifier)) {
      add(node.moduleSpecifier.text, node.isTypeOnly);
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      const [what] = node.arguments;
      if (what && ts.isStringLiteral(what)) add(what.text, false);
    }
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(from, text, ts.ScriptTarget.Latest));
  return found;
}

const tests = readdirSync(join(root, "tests"), { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".ts"))
  .map((file) => `tests/${file}`);
const imports = files.flatMap(importsOf);
const textOf = (file: string): string => readFileSync(join(root, file), "utf8");
const roomOf = (file: string): string => file.split("/").slice(0, 2).join("/");

test("every import leads to a file", () => {
  expect(imports.length).toBeGreaterThan(500);
  expect(imports.filter(({ to }) => !existsSync(join(root, to)))).toEqual([]);
});

test("every file is in a room of the table, and every room is there", () => {
  const rooms = new Set(files.map(roomOf));
  expect(Object.keys(LAYERS).filter((room) => !rooms.has(room))).toEqual([]);
  expect([...rooms].filter((room) => !(room in LAYERS))).toEqual([]);
});

test("no room looks into one that it does not list, types included", () => {
  const wrong = imports
    .filter(({ from, to }) => roomOf(from) !== roomOf(to) && !LAYERS[roomOf(from)]?.includes(roomOf(to)))
    .map(({ from, to }) => `${from} imports ${to}`);
  expect(wrong).toEqual([]);
});

test("no room lists one that it does not look into", () => {
  const used = new Set(imports.map(({ from, to }) => `${roomOf(from)} → ${roomOf(to)}`));
  const idle = Object.entries(LAYERS).flatMap(([room, others]) =>
    others.map((other) => `${room} → ${other}`).filter((arrow) => !used.has(arrow)),
  );
  expect(idle).toEqual([]);
});

test("libraries are imported by the rooms that the table names", () => {
  const users = (library: string): string[] => {
    const pattern = new RegExp(`(from |import\\()"${library}"`);
    return [...new Set(files.filter((file) => pattern.test(textOf(file))).map(roomOf))].sort();
  };
  expect(Object.fromEntries(Object.keys(LIBRARIES).map((name) => [name, users(name)]))).toEqual(LIBRARIES);
});

/** Names that only Node has, where a file uses them as such: not as keys of a table, nor as types. */
function namesOfNode(file: string): string[] {
  const only = new Set(["Buffer", "process", "require", "__dirname", "__filename"]);
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isIdentifier(node) && only.has(node.text)) {
      const { parent } = node;
      const isName = (ts.isPropertyAssignment(parent) || ts.isPropertyAccessExpression(parent)) && parent.name === node;
      if (!isName && !ts.isTypeNode(parent)) found.push(`${file} uses ${node.text}`);
    }
    if (ts.isStringLiteral(node) && node.text.startsWith("node:") && !ts.isLiteralTypeNode(node.parent))
      found.push(`${file} imports ${node.text}`);
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(file, textOf(file), ts.ScriptTarget.Latest, true));
  return found;
}

test("what browsers run asks nothing of Node", () => {
  const reached = new Set(FOR_BROWSERS);
  for (const file of reached)
    for (const { from, to, typesOnly } of imports) if (from === file && !typesOnly) reached.add(to);
  expect(reached.size).toBeGreaterThan(200);
  expect([...reached].flatMap(namesOfNode)).toEqual([]);
});

test("what is compiled comes through one door, whose witness knows on what it depends", () => {
  const compiling = ["check", "build", "compile-file", "compiling"].map((name) => `runtime/cli/${name}.ts`);
  const inside = files.filter((file) => /^(compiler|runtime\/(files|project))\//.test(file)).concat(compiling);
  const disk = /"(node:)?(fs|fs\/promises|child_process|os)"|\bts\.sys\b/;
  // The second writes results.
  expect(inside.filter((file) => disk.test(textOf(file)))).toEqual(["runtime/files/disk.ts", "runtime/files/files.ts"]);
});

test("nobody compares a target's name: a third one would fall through", () => {
  const names = Object.keys(kernels).join("|");
  const comparison = new RegExp(`[!=]== "(${names})"|"(${names})" [!=]==|case "(${names})"`);
  expect(tests.length).toBeGreaterThan(100);
  expect([...files, ...tests].filter((file) => comparison.test(textOf(file)))).toEqual([]);
});

test("no target is meant by its name, and no test writes out which there are", () => {
  const names = Object.keys(kernels);
  const meant = new RegExp(`kernels\\.(${names.join("|")})\\b|"(${names.join("|")})"`);
  const own = (file: string): boolean => file === "compiler/bpf/kernels.ts" || file.endsWith(".generated.ts");
  expect(files.filter((file) => !own(file) && meant.test(textOf(file)))).toEqual([]);
  const all = new RegExp(`"${names.join('", "')}"|"${names.toReversed().join('", "')}"`);
  expect(tests.filter((file) => all.test(textOf(file)))).toEqual([]);
});

describe("circles", () => {
  test("of rooms: only the catalogue of diagnostics and its rows", () => {
    const between = circles(Object.keys(LAYERS), (room) => LAYERS[room] ?? []);
    expect(between).toEqual([["compiler/diagnostics", "compiler/diagnostics.ts"]]);
  });

  test("of files: none, but for those that the table allows", () => {
    const next = new Map<string, string[]>(files.map((file) => [file, []]));
    for (const { from, to, typesOnly } of imports) if (!typesOnly) next.get(from)!.push(to);
    const tooLarge = circles(files, (file) => next.get(file) ?? []).filter(
      (circle) => circle.length > (CIRCLES[roomOf(circle[0]!)] ?? 1),
    );
    expect(tooLarge).toEqual([]);
  });
});

/** Strongly connected components of more than one node, each sorted (Tarjan). */
function circles(nodes: readonly string[], next: (node: string) => readonly string[]): string[][] {
  const number = new Map<string, number>();
  const low = new Map<string, number>();
  const stack: string[] = [];
  const found: string[][] = [];
  const visit = (node: string): void => {
    number.set(node, number.size);
    low.set(node, number.get(node)!);
    stack.push(node);
    for (const other of next(node)) {
      if (!number.has(other)) {
        visit(other);
        low.set(node, Math.min(low.get(node)!, low.get(other)!));
      } else if (stack.includes(other)) low.set(node, Math.min(low.get(node)!, number.get(other)!));
    }
    if (low.get(node) !== number.get(node)) return;
    const circle = stack.splice(stack.indexOf(node));
    if (circle.length > 1) found.push(circle.sort());
  };
  for (const node of nodes) if (!number.has(node)) visit(node);
  return found;
}
