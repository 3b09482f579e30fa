/** The textual form: what the printer prints the reader reads, spans and names included; and what the reader refuses. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { printModule } from "../../compiler/ir/print.ts";
import { readModule } from "../../compiler/ir/read.ts";

const here = import.meta.dirname;
const everything = readFileSync(join(here, "everything.ir"), "utf8");

test("every construct survives reading and printing", () => {
  expect(printModule(readModule(everything), { spans: true })).toBe(everything);
});

test("spans with their expansions are read back as they were", () => {
  const module = readModule(everything);
  const [block] = module.programs[0]!.func.blocks;
  expect(block!.insts[0]!.span).toEqual({
    file: 0,
    start: 10,
    end: 20,
    via: {
      kind: "call",
      what: "f",
      at: { file: 0, start: 30, end: 35, via: { kind: "loop", what: 2, at: { file: 0, start: 40, end: 90 } } },
    },
  });
});

describe("all pass cases survive too", () => {
  for (const folder of readdirSync(here, { withFileTypes: true }).filter((entry) => entry.isDirectory())) {
    for (const file of readdirSync(join(here, folder.name))) {
      test(`${folder.name}/${file}`, () => {
        const [before = ""] = readFileSync(join(here, folder.name, file), "utf8").split(/^---\n/m);
        const printed = printModule(readModule(before));
        expect(printModule(readModule(printed))).toBe(printed);
        expect(printed.split("\n").filter((line) => line !== "")).toEqual(
          before
            .split("\n")
            .slice(1)
            .filter((line) => line !== ""),
        );
      });
    }
  }
});

describe("text that is no IR is refused with its line", () => {
  const program = (body: string): string =>
    `target mainline\nprogram sockops sock_ops 3 func p(%0: ptr ctx(sock_ops)) -> w32 {\nb0:\n${body}\n}\n`;
  for (const [name, text, message] of [
    ["an unknown line", "nonsense here", "IR line 1: unknown line"],
    ["an unknown instruction", program("  %1: w32 = frobnicate %0\n  return %1"), "IR line 4: unknown instruction"],
    ["an unknown value", program("  return %7"), "IR line 4: unknown value %7"],
    ["a block without an end", program("  %1: w32 = const 1"), "block b0 has no end"],
    ["an open function", "func f() {\nb0:\n  return", 'not closed by "}"'],
    ["text after an instruction", program("  %1: w32 = const 1 2\n  return %1"), "IR line 4: unexpected text"],
    ["a store without a value", program("  store4 %0 + 4\n  unreachable"), "IR line 4: unexpected end of line"],
  ] as const) {
    test(name, () => expect(() => readModule(text)).toThrow(message));
  }
});
