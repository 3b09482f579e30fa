/** Small files that stand for very much: each would take minutes or gigabytes if it were believed. */
import { describe, expect, test } from "vitest";
import { encodeSlots } from "../../compiler/bpf/raw.ts";
import { btfBuilder, type BtfBuilder } from "../../compiler/object/btf.ts";
import { encodeBtfExt, type LineRecord } from "../../compiler/object/btf-ext.ts";
import {
  RELOCATION,
  SECTION_FLAG,
  SECTION_TYPE,
  SYMBOL_BINDING,
  SYMBOL_TYPE,
  writeElf,
  type NewSection,
  type NewSymbol,
} from "../../compiler/object/elf.ts";
import { arrayType, intType } from "../../compiler/object/layout-types.ts";
import { listing } from "../../compiler/object/listing.ts";
import { readObject, type ReadObject } from "../../compiler/object/read.ts";
import { writeObject } from "../../compiler/object/write.ts";
import { callLocal, exit, moveImmediate, sample } from "./modules.ts";

/** Far more than needed on a busy machine, far less than what these files would cost if they were believed. */
const MILLISECONDS = 40_000;
const MEGABYTES = 1500;

function readSafely(bytes: Uint8Array): ReadObject {
  const memory = process.memoryUsage.rss();
  const start = performance.now();
  const read = readObject(bytes);
  if (read.module) listing(read.module);
  expect(performance.now() - start).toBeLessThan(MILLISECONDS);
  expect((process.memoryUsage.rss() - memory) / 2 ** 20).toBeLessThan(MEGABYTES);
  expect(read.problems.length).toBeLessThan(30);
  return read;
}

const progbits = (name: string, data: Uint8Array, flags = 0): NewSection => ({
  name,
  type: SECTION_TYPE.progbits,
  flags,
  align: 1,
  data,
});
const code = (name: string, data: Uint8Array): NewSection =>
  progbits(name, data, SECTION_FLAG.alloc | SECTION_FLAG.exec);
const symbol = (name: string, section: number, value: number, size: number, type: number): NewSymbol => ({
  name,
  section,
  value,
  size,
  type,
  binding: SYMBOL_BINDING.global,
});
const onlyTypes = (build: (btf: BtfBuilder) => void): Uint8Array => {
  const btf = btfBuilder();
  build(btf);
  return writeElf([progbits(".BTF", btf.finish())], []);
};
/** A map m whose value is the given type. */
const mapOf = (btf: BtfBuilder, value: number): void => {
  const pointer = (type: number): number => btf.add({ kind: "ptr", type });
  const members = [
    { name: "type", type: pointer(arrayType(btf, intType(btf), 1)), offset: 0, bits: 0 },
    { name: "key", type: pointer(intType(btf)), offset: 64, bits: 0 },
    { name: "value", type: pointer(value), offset: 128, bits: 0 },
  ];
  const definition = btf.add({ kind: "struct", name: "", size: 24, members });
  const type = btf.add({ kind: "var", name: "m", type: definition, linkage: 1 });
  btf.add({ kind: "datasec", name: ".maps", size: 24, vars: [{ type, offset: 0, size: 24 }] });
};

test("thousands of programs that all call one large function", () => {
  const programs = 4000;
  const body = Array.from({ length: 4000 }, () => moveImmediate(0, 0));
  const sections = [
    { ...code(".text", encodeSlots([...body, exit])) },
    {
      ...code("sockops", encodeSlots(Array.from({ length: programs }, () => [callLocal(-1), exit]).flat())),
      relocations: Array.from({ length: programs }, (_, index) => ({
        offset: index * 16,
        type: RELOCATION["64_32"],
        symbol: 0,
      })),
    },
  ];
  const symbols = [
    symbol("large", 0, 0, (body.length + 1) * 8, SYMBOL_TYPE.func),
    ...Array.from({ length: programs }, (_, index) => symbol(`p${index}`, 1, index * 16, 16, SYMBOL_TYPE.func)),
  ];
  const { problems } = readSafely(writeElf(sections, symbols));
  expect(problems[0]!.text).toMatch(/more than 1000000 instructions together/);
});

test("a chain of calls that is deeper than any stack", () => {
  const count = 50_000;
  const slots = Array.from({ length: count }, () => [callLocal(1), exit]).flat();
  const symbols = Array.from({ length: count }, (_, index) => symbol(`f${index}`, 0, index * 16, 16, SYMBOL_TYPE.func));
  const { problems } = readSafely(writeElf([code("sockops", encodeSlots(slots))], symbols));
  expect(problems[0]!.text).toMatch(/nest deeper than 64/);
});

test("a function that calls itself", () => {
  const slots = [callLocal(-1), exit];
  const { module, problems } = readSafely(
    writeElf([code("sockops", encodeSlots(slots))], [symbol("f", 0, 0, 16, SYMBOL_TYPE.func)]),
  );
  expect(problems).toEqual([]);
  expect(module!.programs[0]!.insns).toEqual(slots);
});

describe("types", () => {
  test("a struct of structs that doubles at every level", () => {
    const bytes = onlyTypes((btf) => {
      let type = intType(btf);
      for (let level = 0, size = 4; level < 25; level++, size *= 2) {
        const half = (name: string, offset: number) => ({ name, type, offset, bits: 0 });
        type = btf.add({
          kind: "struct",
          name: `s${level}`,
          size: size * 2,
          members: [half("a", 0), half("b", size * 8)],
        });
      }
      mapOf(btf, type);
    });
    const { module } = readSafely(bytes);
    expect(JSON.stringify(module!.maps).length).toBeLessThan(3_000_000);
  });

  test("an array of arrays beyond any memory", () => {
    const bytes = onlyTypes((btf) => {
      let type = intType(btf);
      for (let level = 0; level < 30; level++) type = arrayType(btf, type, 0xffff);
      mapOf(btf, type);
    });
    expect(readSafely(bytes).problems.map(({ text }) => text)).toContain("map m: its value has no size");
  });

  test("a struct that contains itself", () => {
    const bytes = onlyTypes((btf) => {
      // The next type's id is known before it exists.
      const next = btf.add({ kind: "int", name: "probe", size: 4, bits: 32, signed: false }) + 1;
      const type = btf.add({
        kind: "struct",
        name: "s",
        size: 4,
        members: [{ name: "s", type: next, offset: 0, bits: 0 }],
      });
      mapOf(btf, type);
    });
    expect(readSafely(bytes).module!.maps[0]!.value).toMatchObject({ kind: "array", length: 4 });
  });

  test("a chain of typedefs that never ends", () => {
    const bytes = onlyTypes((btf) => {
      const next = btf.add({ kind: "int", name: "probe", size: 4, bits: 32, signed: false }) + 1;
      mapOf(btf, btf.add({ kind: "typedef", name: "t", type: next }));
    });
    expect(readSafely(bytes).problems.map(({ text }) => text)).toContain("map m: its value has no size");
  });
});

test("a .bss of an exabyte", () => {
  const bytes = writeElf(
    [{ name: ".bss", type: SECTION_TYPE.nobits, flags: 3, align: 1, data: new Uint8Array(), size: 2 ** 60 }],
    [],
  );
  expect(readSafely(bytes).problems[0]!.text).toBe(".bss has 1152921504606847000 bytes, more than fit into a map");
});

test("sections that all lie over the same bytes", () => {
  const bytes = writeElf(
    Array.from({ length: 5000 }, (_, index) =>
      code(`s${index}`, index === 0 ? new Uint8Array(1 << 20) : new Uint8Array(8)),
    ),
    [],
  );
  const view = new DataView(bytes.buffer);
  const headers = Number(view.getBigUint64(40, true));
  for (let number = 3; number < 5002; number++) {
    view.setBigUint64(headers + number * 64 + 24, view.getBigUint64(headers + 2 * 64 + 24, true), true);
    view.setBigUint64(headers + number * 64 + 32, 1n << 20n, true);
  }
  expect(readSafely(bytes).problems[0]!.text).toBe("section 3 overlaps others");
});

test("source lines in their millions", () => {
  const btf = btfBuilder();
  const text = btf.strings.offset("x".repeat(4000));
  const lines: LineRecord[] = Array.from({ length: 60_000 }, (_, index) => ({
    offset: index * 8,
    file: btf.strings.offset(`file${index % 300}.c`),
    text,
    line: 4_000_000 - index,
    column: 1,
  }));
  const ext = encodeBtfExt(
    { funcs: new Map(), core: new Map(), lines: new Map([["sockops", lines]]) },
    btf.strings.offset,
  );
  const bytes = writeElf(
    [
      code("sockops", encodeSlots(Array.from({ length: 60_000 }, () => exit))),
      progbits(".BTF", btf.finish()),
      progbits(".BTF.ext", ext),
    ],
    [],
  );
  expect(readSafely(bytes).module!.programs[0]!.insns.length).toBe(60_000);
});

test("metadata that nests without end, and expansions that go round", () => {
  const withJson = (change: (json: string) => string): Uint8Array => {
    const whole = Buffer.from(writeObject(sample)).toString("latin1");
    const json = /\0(\{"version":1.*?\})\0/.exec(whole)![1]!;
    // Only the section is given: the reader looks at the metadata before anything that must fit it.
    return writeElf(
      [
        {
          name: ".tsbpf",
          type: SECTION_TYPE.strtab,
          flags: 0,
          align: 1,
          data: Buffer.from(`\0${change(json)}\0`, "latin1"),
        },
      ],
      [],
    );
  };
  const deep = `${"[".repeat(500_000)}${"]".repeat(500_000)}`;
  expect(readSafely(withJson((json) => json.replace(/"needs":\[.*?\]/, `"needs":${deep}`))).problems[0]!.text).toMatch(
    /needs\[0\] is not a string|not JSON/,
  );
  expect(
    readSafely(withJson((json) => json.replace(/"spans":\[\[/, '"spans":[[0,0,1,0],['))).problems[0]!.text,
  ).toMatch(/^\.tsbpf: expansions\[0\] is not /);
});

test("names that are commands to a terminal", () => {
  const name = "\x1b]0;owned\x07\x9b2J";
  const bytes = writeElf([code("sockops", encodeSlots([exit]))], [symbol(name, 0, 0, 8, SYMBOL_TYPE.func)]);
  expect(listing(readSafely(bytes).module!)).not.toMatch(/[\x1b\x07\x9b]/);
});
