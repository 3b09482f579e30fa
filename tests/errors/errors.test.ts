/**
 * One file per diagnostic key. In a case, `//~ key` marks a line on which that key must be reported; nothing else may be.
 * The first lines can say more: `// target: patched`, `//! repeat N text` (the text N times, for hostile files),
 * `//! file name.ts text` (a second file).
 */
import { readdirSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { catalogue, type Diagnostic, type Key } from "../../compiler/diagnostics.ts";
import { pages } from "../../compiler/diagnostics/pages/topics.ts";
import { diagnosticsToJson, renderDiagnostics } from "../../compiler/diagnostics/render.ts";
import { lineAndColumn } from "../../compiler/span.ts";
import { compileCase, folder, hasCase, readCase, type Case } from "./cases.ts";

function run(name: string, one: Omit<Case, "written">) {
  const result = compileCase(name, one);
  const at = (diagnostic: Diagnostic): string =>
    `${lineAndColumn(result.sources[diagnostic.span?.file ?? 0]!.text, diagnostic.span?.start ?? 0).line} ${diagnostic.key}`;
  return { result, found: [...new Set(result.diagnostics.map(at))] };
}

/** What a message has of values that were put into it unseen. What the case says itself, and `undefined` as a word, may be there. */
function inWords({ message, help = "" }: Pick<Diagnostic, "message" | "help">, text: string): string[] {
  const said = `${message}\n${help}`;
  const wrong = [
    /\[object \w+\]/,
    /\bNaN\b/,
    /=>\s*[{`]/,
    /\$\{(?!value|…)/,
    /\bundefined(?=\()/,
    /(?<=\.)undefined\b/,
    /"undefined"/,
  ];
  const found = wrong.flatMap((pattern) => pattern.exec(said)?.[0] ?? []).filter((one) => !text.includes(one));
  // `undefined` is a value of the language; where it is meant, the sentence tests it, writes it or says that something may be it.
  for (const sentence of [message, help])
    if (/\bundefined\b/.test(sentence) && !MEANT.test(sentence) && !/\bundefined\b/.test(text)) found.push(sentence);
  if (message.length <= 5 || /\s{2}|^\s|\s$|\(\)\s*\(\)/.test(message)) found.push(message);
  return found;
}
const MEANT = /(?:be|is|are|=|!==|\||write|test|or) ?undefined|undefined (?:before|is)/;

test("errors: the check of whole words finds what it looks for", () => {
  const wrong = [
    "the type of undefined cannot be",
    "found [object Object]",
    "takes NaN bytes",
    "write ${f.name}",
    "give it undefined",
    "a  b c d e",
  ];
  expect(wrong.filter((message) => inWords({ message }, "").length === 0)).toEqual([]);
  expect(inWords({ message: "x may be undefined", help: "test it first: if (x === undefined) return;" }, "")).toEqual(
    [],
  );
});

const keysOf = Object.keys(catalogue) as Key[];
describe("errors: every key of the catalogue", () => {
  test("has a case, and every case has a key", () => {
    const missing = keysOf.filter((key) => !hasCase(key) && pages[key].right);
    const orphaned = readdirSync(folder).filter((file) => !(file.replace(/\.ts$/, "") in catalogue));
    expect({ missing, orphaned }).toEqual({ missing: [], orphaned: [] });
  });

  test.each(keysOf.filter(hasCase))("%s", (key) => {
    const one = readCase(key);
    const { result, found } = run(`${key}.ts`, one);
    const shown = renderDiagnostics(result.diagnostics, result.sources, { colour: false });
    // `tsbpf explain` shows it as the example of its key.
    expect(new Set(result.diagnostics.map((diagnostic) => diagnostic.key)), shown).toEqual(new Set([key]));
    if (one.marks.length > 0) expect(found, shown).toEqual(one.marks);
    expect(result.object === undefined).toBe(result.diagnostics.some((diagnostic) => diagnostic.severity === "error"));
    // What is said is said in whole words, and drawn without throwing.
    expect(result.diagnostics.flatMap((diagnostic) => inWords(diagnostic, one.text))).toEqual([]);
    expect(diagnosticsToJson(result.diagnostics, result.sources).length).toBe(result.diagnostics.length);
  });
});

describe("errors: together", () => {
  test("all errors of a file are reported, by line", () => {
    const text = [
      'import { license } from "tsbpf";',
      'import { sockOps } from "tsbpf/tcp";',
      'license("GPL");',
      "export const program = sockOps((ctx) => {",
      "  if (ctx.mss == 1460) ctx.reply = 1;",
      "  ctx.reply = 1.5;",
      "  const unused = 3;",
      "  ctx.reply = ctx.bytesAcked;",
      "  for (const x of ctx) ctx.reply = 1;",
      "  while (true) throw 1;",
      "  return 1;",
      "});",
    ].join("\n");
    const { found } = run("many.ts", { text, files: new Map(), marks: [] });
    expect(found).toEqual([
      "5 loose-equality",
      "6 fraction",
      "8 mixed-width",
      "9 not-iterable",
      "10 throw",
      "11 type-error",
    ]);
  });

  test("a comment does not switch checking off", () => {
    for (const comment of ["// @ts-ignore", "// @ts-expect-error"]) {
      const text = `import { license } from "tsbpf";\nimport { sockOps } from "tsbpf/tcp";\nlicense("GPL");\nexport const program = sockOps((ctx) => {\n  ${comment}\n  ctx.reply = ctx.nothing;\n  return 1;\n});\n`;
      expect(run("ignore.ts", { text, files: new Map(), marks: [] }).found).toEqual(["6 no-member"]);
    }
    const nocheck = run("nocheck.ts", {
      text: '// @ts-nocheck\nimport { license } from "tsbpf";\nimport { sockOps } from "tsbpf/tcp";\nlicense("GPL");\nexport const program = sockOps((ctx) => {\n  ctx.reply = ctx.nothing;\n  return 1;\n});\n',
      files: new Map(),
      marks: [],
    });
    expect(nocheck.found).toEqual(["6 no-member"]);
  });

  test("an error in an imported file is shown there", () => {
    const text =
      'import { license } from "tsbpf";\nimport { sockOps } from "tsbpf/tcp";\nimport { half } from "./half.ts";\nlicense("GPL");\nexport const program = sockOps((ctx) => {\n  ctx.reply = half(4);\n  return 1;\n});\n';
    const half =
      'import type { i32 } from "tsbpf";\n\nexport function half(value: i32): i32 {\n  return value / 0;\n}\n';
    const { result } = run("main.ts", { text, files: new Map([["./half.ts", half]]), marks: [] });
    expect(diagnosticsToJson(result.diagnostics, result.sources)).toMatchObject([
      { key: "division-by-zero", file: "./half.ts", line: 4, column: 10 },
    ]);
  });
});

describe("errors: how they look", () => {
  const text =
    'import { license } from "tsbpf";\nimport { sockOps } from "tsbpf/tcp";\nlicense("GPL");\nexport const program = sockOps((ctx) => {\n\tif (ctx.mss == 1460) ctx.reply = 1;\n\treturn 1;\n});\n';
  const { result } = run("programs/look.ts", { text, files: new Map(), marks: [] });

  test("plain", () => {
    expect(renderDiagnostics(result.diagnostics, result.sources, { colour: false })).toBe(
      [
        "error[loose-equality]: == converts its operands before it compares",
        "  programs/look.ts:5:14",
        "   5 │         if (ctx.mss == 1460) ctx.reply = 1;",
        "     │                     ^^",
        "  help: write ===",
      ].join("\n"),
    );
  });

  test("in colour it says the same", () => {
    const coloured = renderDiagnostics(result.diagnostics, result.sources, { colour: true });
    expect(coloured).toContain("\x1b[31m");
    expect(coloured.replace(/\x1b\[\d+m/g, "")).toBe(
      renderDiagnostics(result.diagnostics, result.sources, { colour: false }),
    );
  });

  test("control characters of a source do not reach the terminal", () => {
    const hostile = run("hostile.ts", { text: 'export const a = "\x1b[2J" == "b";\n', files: new Map(), marks: [] });
    expect(renderDiagnostics(hostile.result.diagnostics, hostile.result.sources, { colour: false })).not.toContain(
      "\x1b",
    );
  });
});
