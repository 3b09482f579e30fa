/** Every example of the documentation: programs are compiled, tests and events are run, and what a line says of a value is compared. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { runInThisContext } from "node:vm";
import { afterAll, describe, expect, test } from "vitest";
import { compile, type CompileResult } from "../../compiler/compile.ts";
import { renderDiagnostics } from "../../compiler/diagnostics/render.ts";
import { readService } from "../../runtime/project/service-file.ts";
import { load } from "../../runtime/testing/index.ts";
import { createMachine } from "../../runtime/vm/machine.ts";
import { root } from "../programs.ts";
import { pages, type Block } from "./blocks.ts";
import { whole, type Fragment } from "./fragment.ts";

/** `// error[key]` at the end of a line: what the compiler says of it. Of a fragment, what is not used is no matter. */
const MARK = /\/\/ (?:error|warning)\[([\w-]+)\]/;
const UNUSED = new Set(["unused", "unused-parameter"]);

/** What the compiler says, and what the page says that it does: "LINE: key". */
function compared({ diagnostics }: CompileResult, text: string, ignored: ReadonlySet<string>) {
  const lines = text.split("\n");
  const lineAt = (offset: number): string => lines[text.slice(0, offset).split("\n").length - 1]!.trim();
  const said = diagnostics
    .filter(({ key }) => !ignored.has(key))
    .map(({ key, span }) => `${lineAt(span?.start ?? 0)}: ${key}`);
  const marked = lines.flatMap((line) => {
    const key = MARK.exec(line)?.[1];
    return key === undefined ? [] : [`${line.trim()}: ${key}`];
  });
  return { said: [...new Set(said)].sort(), marked: marked.sort() };
}
const rendered = ({ diagnostics, sources }: CompileResult): string =>
  renderDiagnostics(diagnostics, sources, { colour: false });

/** What the page's names are, as the virtual machine finds them. */
function valuesOf({ module }: CompileResult, { says }: Fragment): bigint[] {
  const machine = createMachine(module!, {
    services: { cpus: 1, cpu: () => 0, now: () => 1n, random: () => 4, print: () => undefined },
  });
  const outcome = machine.run("program", { read: () => 0, services: { socket: {} } });
  expect(outcome.ok).toBe(true);
  const results = machine.maps.get("results")!;
  const at = (index: number): bigint => {
    const bytes = results.read(new Uint8Array(Uint32Array.of(index).buffer))![0]!;
    return new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
  };
  expect(at(63), "the end of the fragment").toBe(1n);
  return says.map((_, index) => at(index));
}

/** "CALL → RESULT", or a call alone. Bytes are hexadecimal. */
function written(value: unknown): string {
  if (value instanceof Uint8Array) return [...value].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
  return typeof value === "bigint" ? `${value}` : (JSON.stringify(value) ?? "undefined");
}
async function play(file: string, events: string): Promise<{ found: string[]; expected: string[] }> {
  const module = await load(pathToFileURL(file));
  const names = Object.keys(module);
  const found: string[] = [];
  const expected: string[] = [];
  for (const line of events.trim().split("\n")) {
    const [call, result] = line.split("→").map((part) => part.trim());
    const run = runInThisContext(`(function (${names.join(", ")}) { return (${call}); })`) as (
      ...all: unknown[]
    ) => unknown;
    const value = run(...names.map((name) => module[name]));
    if (result === undefined) continue;
    found.push(`${call} → ${written(value)}`);
    expected.push(`${call} → ${result}`);
  }
  return { found, expected };
}

const folder = mkdtempSync(join(tmpdir(), "tsbpf-docs-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The block as a file of its page's own folder. */
function put(page: string, { name, text, where }: Block): string {
  if (name === undefined) throw new Error(`${where}: its first line names no file`);
  const file = join(folder, page.replace(/\W+/g, "-"), name);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(join(folder, page.replace(/\W+/g, "-"), "package.json"), '{ "type": "module" }\n');
  writeFileSync(file, text);
  return file;
}

const all = pages();
test("the pages have examples of each kind", () => {
  const kinds = new Set(all.flatMap(({ blocks }) => blocks.map(({ kind }) => kind)));
  expect([...kinds].sort()).toEqual(["c", "events", "fragment", "program", "script", "service", "test"]);
});

for (const { path, blocks } of all.filter((one) => one.blocks.length > 0)) {
  describe(path, async () => {
    let program: string | undefined;
    for (const block of blocks) {
      const { where, text, kind } = block;
      if (kind === "program") {
        const file = block.name === undefined ? undefined : put(path, block);
        program = file;
        test(`${where} compiles`, () => {
          const result = compile({ path: block.name ?? "example.ts", text });
          const { said, marked } = compared(result, text, new Set());
          expect(said, rendered(result)).toEqual(marked);
        });
      } else if (kind === "fragment") {
        test(`${where} compiles, and its values are as it says`, () => {
          const fragment = whole(text);
          const result = compile({ path: "fragment.ts", text: fragment.text });
          const { said, marked } = compared(result, fragment.text, UNUSED);
          expect(said, `${rendered(result)}\n${fragment.text}`).toEqual(marked);
          if (marked.some((line) => line.includes("// error["))) {
            // The right lines of it are still right without the wrong ones.
            const right = whole(
              text
                .split("\n")
                .filter((line) => !line.includes("// error["))
                .join("\n"),
            );
            const again = compile({ path: "fragment.ts", text: right.text });
            expect(
              compared(again, right.text, UNUSED).said.filter((line) => !MARK.test(line)),
              rendered(again),
            ).toEqual([]);
            expect(valuesOf(again, right)).toEqual(right.says.map(({ value }) => value));
          } else expect(valuesOf(result, fragment)).toEqual(fragment.says.map(({ value }) => value));
        });
      } else if (kind === "events") {
        const file = program!;
        test(`${where} happens as it says`, async () => {
          const { found, expected } = await play(file, text);
          expect(found).toEqual(expected);
        });
      } else if (kind === "test") {
        // It registers its own tests.
        await import(pathToFileURL(put(path, block)).href);
      } else if (kind === "script") {
        test(`${where} imports what there is`, () => {
          for (const [, names, module] of text.matchAll(/import \{ ([^}]+) \} from "tsbpf\/(\w+)"/g)) {
            const source = readFileSync(
              join(root, module === "compiler" ? "compiler/api.ts" : "runtime/api.ts"),
              "utf8",
            );
            for (const name of names!.split(", "))
              expect(source).toMatch(new RegExp(`\\b${name.replace("type ", "")}\\b`));
          }
        });
      } else if (kind === "service") {
        test(`${where} is a file of a service`, () => {
          expect(readService(put(path, block)).programs.length).toBeGreaterThan(0);
        });
      } else {
        const clang = ["clang-19", "clang-16", "clang"].find((one) => spawnSync(one, ["--version"]).status === 0);
        test.skipIf(clang === undefined)(`${where} compiles with ${clang ?? "clang"}`, () => {
          const file = put(path, block);
          const system = execFileSync("uname", ["-m"], { encoding: "utf8" }).trim();
          execFileSync(clang!, [
            "-target",
            "bpf",
            "-g",
            "-O2",
            `-I/usr/include/${system}-linux-gnu`,
            "-Wall",
            "-Werror",
            "-c",
            file,
            "-o",
            `${file}.o`,
          ]);
        });
      }
    }
  });
}
