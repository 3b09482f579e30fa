// The TypeScript compiler as an ES module, for the bundles. TypeScript is published as one CommonJS file, from which a
// bundler can drop nothing; the language uses its parser, binder and checker, which are less than half of it. The file
// was itself made from ES modules, so a few marks at the starts of lines are enough to undo that. Whatever does not look
// as expected stops the build: the version is pinned in package-lock.json.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

/** What the program and its nodes could do but are never asked: emit JavaScript and declarations, show documentation. */
const UNUSED = [
  "emitFiles",
  "getTransformers",
  "getDeclarationDiagnostics",
  "getDocumentationComment",
  "getJsDocTagsOfDeclarations",
];

/** Replaces every match, of which there must be some. */
function replace(text, what, pattern, by) {
  let count = 0;
  const result = text.replace(pattern, (...match) => {
    count++;
    return by(...match);
  });
  if (count === 0) throw new Error(`scripts/typescript-module.mjs: this TypeScript has no ${what}`);
  return result;
}

/**
 * The table of all messages as a variable for each, so that those which nothing says are dropped. Their keys, by which an editor's server finds
 * translations, are as long as themselves.
 */
function messageVariables(rows) {
  return replace(
    rows,
    "rows of messages",
    /^  (\w+): diag\(\s*([\de]+),\s*(\d+)[^,]*,\s*"[^"]*",\s*([\s\S]*?)\s*\),?$(?=\n  \w+: diag\(|\n*$(?![\s\S]))/gm,
    (_row, name, code, category, rest) =>
      `var Diagnostics_${name} = /* @__PURE__ */ diag(${code}, ${category}, "", ${rest});`,
  );
}

/** The text of `typescript.js`, as ts-morph ships it, as an ES module with an export for each name that it exports. */
export function typescriptModule(text) {
  let exported = [];
  text = replace(text, "CommonJS head", /^var ts = \{\}; \(\(module\) => \{\n"use strict";\n/m, () => "");
  text = replace(text, "list of exports", /^__export\(typescript_exports, \{\n([^}]*)\}\);\n/m, (_all, body) => {
    exported = [...body.matchAll(/^ *(\w+): \(\) => (\w+),?$/gm)].map(([, name, value]) => [value, name]);
    return "";
  });
  text = replace(text, "CommonJS export", /^module\.exports = __toCommonJS\(typescript_exports\);\n/m, () => "");
  text = replace(
    text,
    "CommonJS tail",
    /^0 && \(module\.exports = \{\n[^}]*\}\);\n\}\)\(\{ get exports\(\)[^\n]*\n?$/m,
    () => "",
  );
  // Namespaces that are only looked into: made where they are used, or not at all.
  text = replace(
    text,
    "namespace objects",
    /^var (\w+) = \{\};\n__export\(\1, \{/gm,
    (_all, name) => `var ${name} = /* @__PURE__ */ __exported({`,
  );
  text = replace(
    text,
    "namespace functions",
    /^var (\w+);\n\(\((\w+)\) => \{$([\s\S]*?)^\}\)\(\1 \|\| \(\1 = \{\}\)\);$/gm,
    (_all, name, inner, body) => `var ${name} = /* @__PURE__ */ ((${inner}) => {${body}return ${inner};\n})({});`,
  );
  text = replace(text, "table of messages", /^var Diagnostics = \{\n([\s\S]*?)^\};\n/m, (_all, rows) =>
    messageVariables(rows),
  );
  text = text.replace(/\bDiagnostics\.(?=\w)/g, "Diagnostics_");
  // The server of an editor comes last and is not needed at all; what it exports goes with it.
  text = replace(text, "server", /^\/\/ src\/server\/[\s\S]*$/m, () => "");
  const declared = new Set(
    [...text.matchAll(/^(?:async )?(?:var|function|class)\*? (\w+)/gm)].map((match) => match[1]),
  );
  exported = exported.filter(([value]) => declared.has(value));
  // The language service computes tables at the start, and its code fixes register themselves.
  text = replace(text, "language service", /^\/\/ src\/services\/[\s\S]*$/m, (services) =>
    replace(
      services,
      "tables",
      /^var (\w+) = (?!\/\* @__PURE__)([^\n]+?)(?:;$|(\n[\s\S]*?^[\]})][^\n]*);$)/gm,
      (_all, name, first, rest = "") => `var ${name} = /* @__PURE__ */ (() => (${first}${rest}))();`,
    ),
  );
  text = replace(
    text,
    "code fixes",
    /^(?:registerCodeFix|registerRefactor)\([\s\S]*?^\}\);$/gm,
    (call) => `/* @__PURE__ */ (() => { ${call} })();`,
  );
  for (const name of UNUSED) {
    text = replace(
      text,
      `function ${name}`,
      new RegExp(`^function ${name}\\([\\s\\S]*?^\\}$`, "m"),
      () => `function ${name}() { throw new Error("${name} is not in this bundle"); }`,
    );
  }
  // A program asks its host for a checker first (compiler/frontend/ready-checker.ts).
  text = replace(
    text,
    "maker of the checker",
    /typeChecker = createTypeChecker\(program\)/g,
    () => "typeChecker = host.typeChecker?.(program, bindSourceFile) ?? createTypeChecker(program)",
  );
  text = replace(text, "order of files", /var fileIndexMap = /g, () => "var fileIndexMap = host.fileIndexMap = ");
  return `${text}\nfunction __exported(all) { const made = {}; __export(made, all); return made; }\nexport { ${exported.map(([value, name]) => `${value} as ${name}`).join(", ")} };\n`;
}

const require = createRequire(import.meta.url);
const file = join(dirname(require.resolve("@ts-morph/common/package.json")), "dist", "typescript.js");

/** `ts` is a named export of ts-morph; as a namespace, only what is used of it is bundled. */
function asNamespace(build) {
  build.onLoad({ filter: /(compiler\/frontend|runtime\/(files|project))\/[^/]+\.ts$/ }, ({ path }) => ({
    contents: readFileSync(path, "utf8").replace(
      /^import (type )?\{ ts \} from "ts-morph";$/m,
      'import $1* as ts from "ts-morph";',
    ),
    loader: "ts",
  }));
}

/** esbuild plugin for the command: `ts-morph` in our sources is TypeScript alone, with the exports that are used. */
export const typescriptOnly = () => ({
  name: "typescript-only",
  setup(build) {
    const text = typescriptModule(readFileSync(file, "utf8"));
    build.onResolve({ filter: /^ts-morph$/ }, () => ({ path: file, namespace: "typescript-only", sideEffects: false }));
    build.onLoad({ filter: /./, namespace: "typescript-only" }, () => ({
      contents: text,
      resolveDir: dirname(file),
      loader: "js",
    }));
    asNamespace(build);
  },
});
