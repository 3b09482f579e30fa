/**
 * A piece of a program as pages show it, made whole: declarations go to the top level, the rest into a program that is given a connection, `conn`.
 * Names of the language are imported. A line such as `const sum = a + b; // 400` says what the name then is.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ts } from "ts-morph";
import { isMapKind } from "../../compiler/frontend/map-kinds.ts";
import { root } from "../programs.ts";

export interface Fragment {
  readonly text: string;
  /** What the page says of names, in the order in which they are stored into `results`. */
  readonly says: readonly { readonly line: string; readonly value: bigint }[];
}

/** In this order: what two modules have is the first one's. */
const MODULES = ["index", "tcp", "cc", "connect", "sockopt", "delack", "mptcp"];
interface Exported {
  readonly module: string;
  readonly typeOnly: boolean;
}
const exported: ReadonlyMap<string, Exported> = new Map(
  [...MODULES].reverse().flatMap((module) => {
    const text = readFileSync(join(root, `runtime/dsl/${module}.d.ts`), "utf8");
    const names = (words: string): string[] =>
      [...text.matchAll(new RegExp(`^export (?:declare )?(?:${words}) (\\w+)`, "gm"))].map((one) => one[1]!);
    const values = names("const|function|class|enum");
    return [...names("type|interface"), ...values].map((name): [string, Exported] => [
      name,
      { module: module === "index" ? "tsbpf" : `tsbpf/${module}`, typeOnly: !values.includes(name) },
    ]);
  }),
);

const SAYS =
  /^\s*(?:(?:const|let)\s+)?(\w+)(?:\s*:\s*[^=]+?)?\s*(?:[-+*/%&|^]|<<|>>>?)?=\s[^/]*;\s*\/\/ (-?(?:0x[\da-f]+|\d+)n?|true|false)$/;

export function whole(fragment: string): Fragment {
  const file = ts.createSourceFile("fragment.ts", fragment, ts.ScriptTarget.Latest, true);
  const top: string[] = [];
  const body: string[] = [];
  let at = 0;
  for (const statement of file.statements) {
    // With its comments, before it and behind it on its last line.
    const lineEnd = fragment.indexOf("\n", statement.end);
    const end = lineEnd < 0 ? fragment.length : lineEnd + 1;
    if (end > at) (belongsOnTop(statement) ? top : body).push(fragment.slice(at, end));
    at = Math.max(at, end);
  }
  const says: { line: string; value: bigint }[] = [];
  const told = body
    .join("")
    .split("\n")
    .flatMap((line) => {
      const said = SAYS.exec(line);
      if (!said) return [line];
      const [, name, text] = said;
      says.push({ line: line.trim(), value: valueOf(text!) });
      return [line, `results.set(${says.length - 1}, u64(${name}));`];
    })
    .join("\n");
  const parts = [
    "const results = new ArrayMap({ value: u64, maxEntries: 64 });",
    ...top,
    "export const program = sockOps((conn) => {",
    told,
    "  results.set(63, 1n);",
    "  return 1;",
    "});",
  ].join("\n");
  return { text: `${imports(parts)}\nlicense("GPL");\n${parts}\n`, says };
}

const valueOf = (text: string): bigint =>
  BigInt.asUintN(
    64,
    text === "true"
      ? 1n
      : text === "false"
        ? 0n
        : text.startsWith("-")
          ? -BigInt(text.slice(1))
          : BigInt(text.replace(/n$/, "")),
  );

function belongsOnTop(statement: ts.Statement): boolean {
  if (ts.isClassDeclaration(statement) || ts.isFunctionDeclaration(statement)) return true;
  if (!ts.isVariableStatement(statement)) return false;
  if (statement.modifiers?.some((one) => one.kind === ts.SyntaxKind.ExportKeyword)) return true;
  const declaration = statement.declarationList.declarations[0]!;
  const init = declaration.initializer;
  // Names in capitals are constants of the file, in the pages as elsewhere.
  return (
    (init && ts.isNewExpression(init) && isMapKind(init.expression.getText())) ||
    /^[A-Z]{2,}$/.test(declaration.name.getText())
  );
}

function imports(text: string): string {
  const used = new Set(["license", ...(text.replace(/\/\/.*$/gm, "").match(/\b[A-Za-z_]\w*\b/g) ?? [])]);
  const declared = new Set([...text.matchAll(/\b(?:class|function|const|let) (\w+)/g)].map((one) => one[1]!));
  const by = new Map<string, string[]>();
  for (const name of used) {
    const found = declared.has(name) ? undefined : exported.get(name);
    if (!found) continue;
    by.set(found.module, [...(by.get(found.module) ?? []), found.typeOnly ? `type ${name}` : name]);
  }
  return [...by].map(([module, names]) => `import { ${names.join(", ")} } from "${module}";`).join("\n");
}
