/** What is written is read back, and the same module always gives the same bytes. */
import { describe, expect, test } from "vitest";
import type { BpfModule } from "../../compiler/module.ts";
import { decodeBtf } from "../../compiler/object/btf.ts";
import { readElf } from "../../compiler/object/elf.ts";
import { listing } from "../../compiler/object/listing.ts";
import { readObject } from "../../compiler/object/read.ts";
import { writeObject } from "../../compiler/object/write.ts";
import { handWritten, least, sample, withFunctions } from "./modules.ts";

describe.each(handWritten)("%s", (_, module) => {
  test("reads back equal", () => {
    const { module: read, problems } = readObject(writeObject(module));
    expect(problems).toEqual([]);
    expect(read).toEqual(module);
  });

  test("gives the same bytes again", () => {
    const copy = JSON.parse(JSON.stringify(module), (_, value: unknown) =>
      isBytes(value) ? Uint8Array.from(Object.values(value)) : value,
    ) as BpfModule;
    expect(writeObject(copy)).toEqual(writeObject(module));
    expect(writeObject(readObject(writeObject(module)).module!)).toEqual(writeObject(module));
  });

  test("lists the same before and after", () => {
    expect(listing(readObject(writeObject(module)).module!)).toBe(listing(module));
  });
});

/** What JSON makes of a Uint8Array. */
const isBytes = (value: unknown): value is Record<string, number> =>
  typeof value === "object" && value !== null && !Array.isArray(value) && Object.keys(value)[0] === "0";

test("no absolute path is written", () => {
  const absolute: BpfModule = {
    ...sample,
    sources: [
      { path: "/home/someone/project/programs/sample.ts", text: sample.sources[0]!.text },
      { path: "/home/someone/project/lib/helper.ts", text: sample.sources[1]!.text },
    ],
  };
  const bytes = writeObject(absolute);
  expect(Buffer.from(bytes).includes("someone")).toBe(false);
  expect(readObject(bytes).module!.sources.map(({ path }) => path)).toEqual(["programs/sample.ts", "lib/helper.ts"]);
  const single = { ...sample, sources: [absolute.sources[0]!, { path: "lib.d.ts", text: sample.sources[1]!.text }] };
  expect(readObject(writeObject(single)).module!.sources.map(({ path }) => path)).toEqual(["sample.ts", "lib.d.ts"]);
});

test("names that are no C identifiers get symbols that are, each once", () => {
  const elf = readElf(writeObject(sample));
  if ("problem" in elf) throw new Error(elf.problem.text);
  const names = elf.value.symbols.map(({ name }) => name).filter(Boolean);
  expect(names.filter((name) => !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name))).toEqual([]);
  expect(new Set(names).size).toBe(names.length);
  expect(names).toContain("gr__e_1");
  expect(names).toContain("gr__e_1_2");
});

test("a module that contradicts itself is refused", () => {
  const broken: BpfModule = {
    ...least,
    programs: [{ ...withFunctions.programs[0]!, relocations: [{ slot: 9, kind: "map", map: "absent" }] }],
  };
  expect(() => writeObject(broken)).toThrow(RangeError);
});

test("every function starts with func info and line info", () => {
  const { kernelInfo, module } = readObject(writeObject(withFunctions));
  expect(kernelInfo!.programs.map(({ name }) => name)).toEqual(["outer", "other"]);
  for (const { functions, lines, core } of kernelInfo!.programs) {
    expect(offsets(functions, 8)).toEqual([0, 6, 9]);
    expect(offsets(lines, 16)).toEqual(expect.arrayContaining([0, 6, 9]));
    expect(core.length).toBe(0);
  }
  expect(module!.programs[0]!.functions.map(({ slot }) => slot)).toEqual([0, 6, 9]);
});

test("programs keep the module's order and names, whatever their sections and symbols are", () => {
  const [outer, other] = withFunctions.programs;
  const mixed = { ...withFunctions, programs: [other!, outer!, { ...other!, name: "third$" }] };
  const { kernelInfo, module, problems } = readObject(writeObject(mixed));
  expect(problems).toEqual([]);
  expect(module!.programs.map(({ name }) => name)).toEqual(["other", "outer", "third$"]);
  expect(kernelInfo!.programs.map(({ name }) => name)).toEqual(["other", "outer", "third$"]);
});

test("a function without lines of its own gets its program's", () => {
  const [outer] = withFunctions.programs;
  const some = { ...withFunctions, programs: [{ ...outer!, lines: outer!.lines.filter(({ slot }) => slot < 6) }] };
  const { kernelInfo } = readObject(writeObject(some));
  expect(offsets(kernelInfo!.programs[0]!.lines, 16)).toEqual([0, 6, 9]);
});

const offsets = (records: Uint8Array, bytes: number): number[] =>
  Array.from({ length: records.length / bytes }, (_, index) =>
    new DataView(records.buffer, records.byteOffset).getUint32(index * bytes, true),
  );

test("a program whose first instruction has no line of its own", () => {
  const [first] = sample.programs;
  const late = { ...sample, programs: [{ ...first!, lines: first!.lines.slice(2) }] };
  expect(offsets(readObject(writeObject(late)).kernelInfo!.programs[0]!.lines, 16)[0]).toBe(0);
});

test("the symbol table says where its global symbols start", () => {
  for (const [, module] of handWritten) {
    const elf = readElf(writeObject(module));
    if ("problem" in elf) throw new Error(elf.problem.text);
    const { info } = elf.value.sections.find(({ name }) => name === ".symtab")!;
    expect(elf.value.symbols.findIndex(({ binding }) => binding !== 0)).toBe(info);
  }
});

test("the records of a ring buffer are described in our section only", () => {
  const bytes = writeObject(sample);
  const elf = readElf(bytes);
  if ("problem" in elf) throw new Error(elf.problem.text);
  const section = elf.value.sections.find(({ name }) => name === ".BTF")!;
  const btf = decodeBtf(section.data);
  if ("problem" in btf) throw new Error(btf.problem.text);
  const variable = btf.value.types.find((type) => type?.kind === "var" && type.name === "events");
  const definition = variable?.kind === "var" ? btf.value.types[variable.type] : undefined;
  expect(definition?.kind === "struct" && definition.members.map(({ name }) => name)).toEqual(["type", "max_entries"]);
  expect(readObject(bytes).module!.maps.at(-1)!.value).toEqual(sample.maps.at(-1)!.value);
});
