/** The bundled programs: what the compiler makes of them, through every reader and loader of this machine. */
import { describe, expect, test } from "vitest";
import { isRange, kernels, type TargetName } from "../../compiler/bpf/kernels.ts";
import { sizeOf } from "../../compiler/layout.ts";
import type { BpfModule } from "../../compiler/module.ts";
import { placeFinder } from "../../compiler/object/lines.ts";
import { listing } from "../../compiler/object/listing.ts";
import { readObject } from "../../compiler/object/read.ts";
import { writeObject } from "../../compiler/object/write.ts";
import { builds, compileProgram } from "../programs.ts";
import { sectionTexts } from "./disassembly.ts";
import { bpftool, libbpf, unpinned } from "./kernel.ts";
import { objdump } from "./llvm.ts";

const loader = bpftool();
const library = libbpf(loader);

interface Compiled {
  readonly module: BpfModule;
  readonly object: Uint8Array;
}
const done = new Map<string, Compiled>();
const compiled = (name: string, target: TargetName): Compiled => {
  const key = `${name} ${target}`;
  const before = done.get(key);
  if (before) return before;
  const { module, object, diagnostics } = compileProgram(name, target);
  expect(diagnostics.filter(({ severity }) => severity === "error")).toEqual([]);
  done.set(key, { module: module!, object: object! });
  return { module: module!, object: object! };
};

/** For any libbpf: structs that stay registered by links came with its 1.2. */
const withoutLinks = (module: BpfModule): BpfModule =>
  module.structOps ? { ...module, structOps: module.structOps.map((one) => ({ ...one, link: false })) } : module;

describe.each(builds)("$name for $target", ({ name, target }) => {
  test("reads back equal", () => {
    const { module, object } = compiled(name, target);
    const { module: read, problems } = readObject(object);
    expect(problems).toEqual([]);
    // Files that no span points into are named without their text.
    const used = new Set(read!.sources.flatMap(({ text }, index) => (text === "" ? [] : [index])));
    const sources = module.sources.map((source, index) => (used.has(index) ? source : { ...source, text: "" }));
    expect(used.size).toBeGreaterThan(0);
    expect(read).toEqual({ ...module, sources });
    expect(listing(read!)).toBe(listing(module));
  });

  test("every instruction has a line of TypeScript", () => {
    const { module } = compiled(name, target);
    const place = placeFinder(module.sources);
    for (const { lines, insns } of module.programs) {
      expect(lines[0]?.slot).toBe(0);
      for (const { slot, span } of lines) {
        expect(slot).toBeLessThan(insns.length);
        expect(place(span)?.path).toMatch(/\.ts$/);
        expect(place(span)?.text.trim()).not.toBe("");
      }
    }
  });

  test.skipIf(!objdump.available)(`llvm-objdump-19 prints our text${objdump.reason}`, () => {
    const { object } = compiled(name, target);
    expect(sectionTexts(object)).toEqual(objdump.run(object));
    expect(sectionTexts(object).some(({ text }) => text === "<unknown>")).toBe(false);
  });
});

const mainline = builds.filter(({ target }) => isRange(kernels[target]));

describe.skipIf(!loader.available)(`bpftool${loader.reason}`, () => {
  test.each(mainline)("loads $name, and shows its TypeScript lines", ({ name, target }) => {
    const { module } = compiled(name, target);
    for (const program of module.programs)
      loader.load(writeObject(withoutLinks(unpinned(module))), (pin) => {
        const shown = loader.run("prog", "dump", "xlated", "pinned", pin(program.name), "linum").split("\n");
        const lines = shown.filter((line) => line.startsWith(";"));
        const place = placeFinder(module.sources);
        const wanted = new Set(program.lines.map(({ span }) => `${place(span)!.path} line_num:${place(span)!.line} `));
        expect(lines.length).toBeGreaterThan(0);
        for (const line of lines) {
          expect(line).toMatch(/\[file:programs\/[\w./-]+\.ts line_num:\d+ line_col:\d+\]$/);
          expect([...wanted].some((each) => line.includes(each))).toBe(true);
        }
      });
  });
});

describe.skipIf(!library.available)(`libbpf${library.reason}`, () => {
  test.each(mainline)("loads $name and sees its maps", ({ name, target }) => {
    const { module } = compiled(name, target);
    const lines = library.load(writeObject(withoutLinks(module)));
    for (const map of module.maps) {
      const line = lines.find((each) => each.startsWith(`map ${map.name} `));
      expect(line).toContain(` max=${map.maxEntries} `);
      if (map.value && map.type !== "ringbuf") expect(line).toContain(` value=${sizeOf(map.value)} `);
    }
    for (const program of module.programs) {
      const line = lines.find((each) => each.startsWith(`program ${program.name} `));
      expect(line).toContain(` section=${program.section} `);
      expect(line).toContain(` slots=${program.insns.length} `);
    }
  });
});
