import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { client, edited, type Client } from "./client.ts";

const HEAD = `import { ArrayMap, HashMap, license, struct, u8, u32, u64 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
class Counter extends struct({ turns: u8, total: u64 }) {}
export const counters = new HashMap({ key: u32, value: Counter, maxEntries: 4 });
`;
const inProgram = (body: string): string => `${HEAD}export const p = sockOps((ctx) => {\n  ${body}\n  return 1;\n});\n`;
const BODY_LINE = 6;

let folder: string;
let editor: Client;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "tsbpf-lsp-"));
  editor = await client();
});
afterAll(async () => {
  expect(await editor.end()).toBe(0);
  rmSync(folder, { recursive: true });
});
const at = (name: string): string => join(folder, name);
const keys = (shown: readonly { code?: unknown }[]): unknown[] => shown.map((one) => one.code);

test("errors of a text that is nowhere on the disk, gone when it is mended", async () => {
  const wrong = inProgram("if (ctx.mss == 1460) ctx.reply = 1;");
  editor.show(at("a.ts"), wrong);
  const [found] = await editor.until(at("a.ts"), (shown) => shown.length > 0);
  expect(found).toMatchObject({
    code: "loose-equality",
    severity: 1,
    source: "tsbpf",
    range: { start: { line: BODY_LINE, character: 14 }, end: { line: BODY_LINE, character: 16 } },
  });
  expect(found!.message).toContain("help: write ===");
  const [action] = await editor.actions(at("a.ts"), BODY_LINE, 14);
  expect(action!.title).toBe("write ===");
  const right = edited(wrong, action!.edit!.changes![pathToFileURL(at("a.ts")).href]!);
  expect(right).toBe(inProgram("if (ctx.mss === 1460) ctx.reply = 1;"));
  editor.show(at("a.ts"), right);
  await editor.until(at("a.ts"), (shown) => shown.length === 0);
});

test("what only the proof finds comes after the errors of the language", async () => {
  editor.show(at("late.ts"), inProgram("const c = counters.get(1);\n  if (c) c.turns += 1;"));
  const shown = await editor.until(at("late.ts"), (list) => list.length > 0);
  expect(keys(shown)).toEqual(["does-not-fit"]);
  // It stays with its line while lines before it come and go.
  editor.show(at("late.ts"), inProgram("const c = counters.get(1);\n\n  if (c) c.turns += 1;"));
  const moved = await editor.until(at("late.ts"), (list) => list.length > 0);
  expect(moved[0]!.range.start.line).toBe(shown[0]!.range.start.line + 1);
});

test("TypeScript's errors are left to its own server, and their fixes are there", async () => {
  editor.show(at("types.ts"), inProgram("counters.get(1).turns = 1; if (1 == 1) ctx.reply = 1;"));
  expect(keys(await editor.until(at("types.ts"), (shown) => shown.length > 0))).toEqual(["loose-equality"]);
  editor.show(at("types.ts"), inProgram("counters.get(1).turns = 1;"));
  expect(await editor.until(at("types.ts"), () => true)).toEqual([]);
  const [action] = await editor.actions(at("types.ts"), BODY_LINE, 4);
  expect(action!.title).toBe("name it, and test it first: if (entry === undefined) return 1;");
});

test("an editor without a TypeScript server may ask for its errors", async () => {
  const other = await client({ typescriptErrors: true });
  other.show(at("types.ts"), inProgram("counters.get(1).turns = 1;"));
  expect(keys(await other.until(at("types.ts"), (shown) => shown.length > 0))).toContain("type-error");
  await other.end();
});

test("an imported file counts as it is in the editor, and shows its errors", async () => {
  writeFileSync(at("package.json"), "{}");
  writeFileSync(at("helper.ts"), "export const limit = 1;\n");
  const main = `import { limit } from "./helper.ts";\n${inProgram("if (ctx.mss > limit) ctx.reply = 1;")}`;
  editor.show(at("main.ts"), main);
  await editor.until(at("main.ts"), (shown) => shown.length === 0);
  editor.show(at("helper.ts"), "export const limit = 1.5;\n");
  expect(keys(await editor.until(at("helper.ts"), (shown) => shown.length > 0))).toEqual(["fraction"]);
  editor.show(at("helper.ts"), "export const limit = 2;\n");
  await editor.until(at("helper.ts"), (shown) => shown.length === 0);
});

test("a test of programs is no program", async () => {
  editor.show(
    at("a.test.ts"),
    `import { load } from "tsbpf/testing";\nimport { u8 } from "tsbpf";\nconst x = 1 == u8;\n`,
  );
  editor.show(at("after.ts"), inProgram("if (ctx.mss == 1) ctx.reply = 1;"));
  await editor.until(at("after.ts"), (shown) => shown.length > 0);
  expect(await editor.actions(at("a.test.ts"), 2, 13)).toEqual([]);
});

test("hover, costs and types come over the wire", async () => {
  const path = at("shown.ts");
  editor.show(path, inProgram("const size = ctx.mss;\n  if (size > 3) ctx.reply = 1;"));
  await editor.until(path, (shown) => shown.length === 0);
  const textDocument = { uri: pathToFileURL(path).href };
  const position = { line: 3, character: 8 };
  expect(await editor.connection.sendRequest("textDocument/hover", { textDocument, position })).toMatchObject({
    contents: { kind: "markdown", value: expect.stringContaining("struct `Counter`: 16 bytes") as string },
  });
  const range = { start: { line: 0, character: 0 }, end: { line: 20, character: 0 } };
  expect(await editor.connection.sendRequest("textDocument/inlayHint", { textDocument, range })).toMatchObject([
    { label: ": u32", position: { line: BODY_LINE, character: 12 } },
  ]);
  // The verifier has its say when it is done.
  let lenses: readonly { command: { title: string } }[] = [];
  while (lenses.length === 0) lenses = await editor.connection.sendRequest("textDocument/codeLens", { textDocument });
  expect(lenses[0]!.command.title).toMatch(/^\d+ of 4,096 instructions/);
});
