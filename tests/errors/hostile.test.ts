/** Whatever text comes in, an answer comes out: never a throw, and every place that an error names exists. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { frontend } from "../../compiler/frontend/lower.ts";
import { declarations } from "../../compiler/frontend/declarations.generated.ts";
import { checkModule } from "../../compiler/ir/check.ts";
import { renderDiagnostics } from "../../compiler/diagnostics/render.ts";
import { mutated } from "./sources.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const texts = ["programs", "tests/types/left-to-compiler", "tests/types/mistakes", "tests/errors/cases"].flatMap(
  (folder) =>
    readdirSync(join(root, folder))
      .filter((file) => file.endsWith(".ts"))
      .map((file) => readFileSync(join(root, folder, file), "utf8"))
      .filter((text) => text.length > 40 && !text.startsWith("//!")),
);

/** What must hold of every text: gives the IR's problems, which is empty for a good frontend. */
function survive(text: string): void {
  const result = frontend({ entry: { path: "hostile.ts", text }, readImport: () => undefined, declarations });
  for (const one of result.diagnostics) {
    const { length } = result.sources[one.span?.file ?? 0]!.text;
    expect(one.span?.start ?? 0).toBeLessThanOrEqual(length);
    expect(one.span?.end ?? 0).toBeGreaterThanOrEqual(one.span?.start ?? 0);
  }
  renderDiagnostics(result.diagnostics, result.sources, { colour: true });
  if (result.module) expect(checkModule(result.module), text).toEqual([]);
  else
    expect(
      result.diagnostics.some((one) => one.severity === "error"),
      text,
    ).toBe(true);
}

describe("errors: hostile input", () => {
  const COUNT = Number(process.env["TSBPF_FUZZ"] ?? 300);
  test(`${COUNT} mutated programs`, () => {
    for (let seed = 1; seed <= COUNT; seed++) {
      const text = mutated(texts, seed);
      try {
        survive(text);
      } catch (error) {
        throw new Error(
          `seed ${seed}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n${text}`,
        );
      }
    }
  }, 600_000);

  test.each([
    ["nothing but spaces", "   \n\t\n"],
    ["a binary file", "\u0000\u0001ELF\u0002\ufffd".repeat(50)],
    ["half a character", 'export const a = "\ud800";\n'],
    ["a very long name", `export const ${"a".repeat(100_000)} = 1;\n`],
    ["an endless string", `export const a = "${"x".repeat(100_000)}`],
    ["nested calls", `export const a = ${"f(".repeat(3000)}1${")".repeat(3000)};\n`],
    [
      "nested blocks",
      `import { sockOps } from "tsbpf/tcp";\nexport const p = sockOps(() => { ${"{".repeat(3000)}${"}".repeat(3000)} return 1; });\n`,
    ],
    ["a long sum", `export const a = ${"1 + ".repeat(20_000)}1;\n`],
    [
      "a long chain of else-ifs",
      `import { license } from "tsbpf";\nimport { sockOps } from "tsbpf/tcp";\nlicense("GPL");\nexport const p = sockOps((ctx) => { ${Array.from({ length: 3000 }, (_, i) => `if (ctx.mss === ${i}) ctx.reply = ${i};`).join(" else ")} return 1; });\n`,
    ],
    ["a constant defined by itself", "export const a = b;\nexport const b = a;\n"],
    [
      "a struct that holds itself",
      'import { struct, u8 } from "tsbpf";\nexport class A extends struct({ a: A, b: u8 }) {}\n',
    ],
    [
      "names of Object.prototype",
      'import { license } from "tsbpf";\nimport { sockOps } from "tsbpf/tcp";\nlicense("GPL");\nexport const p = sockOps((ctx) => { ctx.constructor; ctx.__proto__; ctx.toString(); toString(); return 1; });\n',
    ],
    [
      "two members of one name, which TypeScript's checker does not survive",
      'import { be16, license, ntohs, struct } from "tsbpf";\nimport { tcpOption } from "tsbpf/tcp";\nlicense("GPL");\nclass P extends struct({ a: be16 }) {}\nexport const o = tcpOption({ kind: 66, payload: P, kind(conn, option) { conn.setSockOpt("TCP_BPF_IW", ntohs(option.b)); } });\n',
    ],
    [
      "a method of Object.prototype, in a program with other errors",
      // On lines of its own: of one line the first error alone is told.
      [
        'import { be16, license, struct } from "tsbpf";',
        'import { tcpOption } from "tsbpf/tcp";',
        'license("GPL");',
        "class Payload extends struct({ segments: be16 }) {}",
        "export const o = tcpOption({",
        "  kind: 66,",
        "  Payload,",
        "  established(conn) {",
        '    if (conn.mss.toString() === "1460") conn.startWriting();',
        "  },",
        "});",
      ].join("\n"),
    ],
    ["imports of itself", 'import { a } from "./hostile.ts";\nexport { a };\n'],
    [
      "a huge array",
      'import { array, struct, u8 } from "tsbpf";\nexport class A extends struct({ a: array(array(array(u8, 4000000000), 4000000000), 4000000000) }) {}\n',
    ],
  ])("%s", (_, text) => survive(text), 60_000);

  test("files that import each other", () => {
    const files = new Map([
      ["./a.ts", 'import { b } from "./b.ts";\nexport const a = b;\n'],
      ["./b.ts", 'import { a } from "./a.ts";\nexport const b = a;\nexport * from "./a.ts";\n'],
    ]);
    const result = frontend({
      entry: {
        path: "main.ts",
        text: 'import { a, nothing } from "./a.ts";\nexport const c = a;\nexport const d = nothing;\n',
      },
      readImport: (path) => (files.has(path) ? { path, text: files.get(path)! } : undefined),
      declarations,
    });
    expect(result.module).toBeUndefined();
    expect(result.diagnostics.length).toBeGreaterThan(0);
  });
});
