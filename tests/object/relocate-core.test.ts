/** CO-RE for objects of other compilers: what records of a hand-made object become in hand-made kernels. */
import { describe, expect, test } from "vitest";
import { LDDW } from "../../compiler/bpf/opcodes.ts";
import type { RawInsn } from "../../compiler/bpf/raw.ts";
import { btfBuilder, decodeBtf, type Btf, type BtfBuilder } from "../../compiler/object/btf.ts";
import type { CoreRecord } from "../../compiler/object/btf-ext.ts";
import { coreTarget, relocated } from "../../compiler/object/relocate-core.ts";
import { load, mov, raw, storeImm } from "../verifier/assemble.ts";

function built(make: (btf: BtfBuilder) => void): Btf {
  const builder = btfBuilder();
  make(builder);
  const decoded = decodeBtf(builder.finish());
  if ("problem" in decoded) throw new Error(decoded.problem.text);
  return decoded.value;
}
const int = (btf: BtfBuilder, size: number, signed = false): number =>
  btf.add({ kind: "int", name: `${signed ? "s" : "u"}${size * 8}`, size, bits: size * 8, signed });

/** What the object was compiled with: an inner struct, a bit field, a pointer, and a variant of a struct by another name. */
const texts: Record<string, number> = {};
const local = built((btf) => {
  const u32 = int(btf, 4);
  const u64 = int(btf, 8);
  const inner = btf.add({
    kind: "struct",
    name: "",
    size: 8,
    members: [
      { name: "first", type: u32, offset: 0, bits: 0 },
      { name: "second", type: u32, offset: 32, bits: 0 },
    ],
  });
  const members = [
    { name: "count", type: u32, offset: 0, bits: 0 },
    { name: "", type: inner, offset: 32, bits: 0 },
    { name: "flag", type: u32, offset: 96, bits: 1 },
    { name: "gone", type: u64, offset: 128, bits: 0 },
  ];
  btf.add({ kind: "struct", name: "thing", size: 24, members });
  btf.add({ kind: "struct", name: "thing___old", size: 4, members: [members[0]!] });
  btf.add({ kind: "enum", name: "word", size: 4, signed: false, values: [{ name: "LATE", value: 7n }] });
  for (const text of ["0:0", "0:1:1", "0:2", "0:3", "0", "0:1"]) texts[text] = btf.strings.offset(text);
});
const id = (kind: string, name: string): number =>
  local.types.findIndex((type) => type?.kind === kind && "name" in type && type.name === name);

/** The same in another release: members elsewhere, one of them wider, one not there. */
const kernel = built((btf) => {
  const u32 = int(btf, 4);
  const u64 = int(btf, 8);
  btf.add({
    kind: "struct",
    name: "thing",
    size: 40,
    members: [
      { name: "new", type: u64, offset: 0, bits: 0 },
      { name: "second", type: u32, offset: 64, bits: 0 },
      { name: "count", type: u64, offset: 128, bits: 0 },
      { name: "flag", type: u32, offset: 193, bits: 1 },
    ],
  });
  btf.add({
    kind: "enum",
    name: "word",
    size: 4,
    signed: false,
    values: [{ name: "LATE", value: 0x1_0000_0009n & 0xffffffffn }],
  });
});

const KINDS = {
  offset: 0,
  size: 1,
  exists: 2,
  left: 4,
  right: 5,
  typeExists: 8,
  typeSize: 9,
  valueExists: 10,
  value: 11,
};
const record = (kind: keyof typeof KINDS, access: string, type = id("struct", "thing"), offset = 0): CoreRecord => ({
  offset,
  type,
  access: texts[access]!,
  kind: KINDS[kind],
});
function put(insns: readonly RawInsn[], records: readonly CoreRecord[], target = kernel): readonly RawInsn[] {
  const result = relocated(insns, records, local, coreTarget(target));
  if ("problem" in result) throw new Error(result.problem);
  return result.insns;
}
const NOWHERE = { code: 0x85, dst: 0, src: 0, off: 0, imm: 0xbad2310 };

describe("a member", () => {
  test("that lies elsewhere, inside of what has no name", () => {
    expect(put([load(4, 1, 6, 8)], [record("offset", "0:1:1")])[0]).toEqual(load(4, 1, 6, 8));
    expect(put([mov(1, 8)], [record("offset", "0:1:1")])[0]).toEqual(mov(1, 8));
  });
  test("that became wider is loaded as a whole", () => {
    expect(put([load(4, 1, 6, 0)], [record("offset", "0:0")])[0]).toEqual(load(8, 1, 6, 16));
    expect(put([mov(1, 4)], [record("size", "0:0")])[0]).toEqual(mov(1, 8));
  });
  test("of a variant goes by the name before the three underscores", () => {
    expect(put([load(4, 1, 6, 0)], [record("offset", "0:0", id("struct", "thing___old"))])[0]).toEqual(
      load(8, 1, 6, 16),
    );
  });
  test("that is not there is asked for, and then nobody gets past it", () => {
    expect(
      put([mov(1, 1), load(8, 1, 6, 16)], [record("exists", "0:3"), record("offset", "0:3", undefined, 8)]),
    ).toEqual([mov(1, 0), NOWHERE]);
    expect(put([storeImm(8, 6, 16, 0)], [record("offset", "0:3")])).toEqual([NOWHERE]);
  });
  test("of some bits: the word, and how far it is shifted", () => {
    const insns = put(
      [load(4, 1, 6, 12), mov(2, 0), mov(3, 0)],
      [record("offset", "0:2"), record("left", "0:2", undefined, 8), record("right", "0:2", undefined, 16)],
    );
    // Bit 193 is bit 1 of the word at 24.
    expect(insns).toEqual([load(4, 1, 6, 24), mov(2, 62), mov(3, 63)]);
  });
});

test("types and values of enumerations", () => {
  expect(put([mov(1, 0)], [record("typeExists", "0")])[0]!.imm).toBe(1);
  expect(put([mov(1, 0)], [record("typeSize", "0")])[0]!.imm).toBe(40);
  const word = id("enum", "word");
  const wide = [raw(LDDW, 1, 0, 0, 7), raw(0)];
  expect(put(wide, [record("value", "0", word)])).toEqual([raw(LDDW, 1, 0, 0, 9), raw(0)]);
  const empty = built((btf) => void int(btf, 4));
  expect(put([mov(1, 1)], [record("typeExists", "0")], empty)[0]!.imm).toBe(0);
  expect(put([mov(1, 1)], [record("valueExists", "0", word)], empty)[0]!.imm).toBe(0);
  expect(put(wide, [record("value", "0", word)], empty)).toEqual([NOWHERE, NOWHERE]);
});

test("two types of one name that differ are no answer", () => {
  const two = built((btf) => {
    const u32 = int(btf, 4);
    for (const offset of [0, 32])
      btf.add({ kind: "struct", name: "thing", size: 8, members: [{ name: "count", type: u32, offset, bits: 0 }] });
  });
  expect(relocated([load(4, 1, 6, 0)], [record("offset", "0:0")], local, coreTarget(two))).toEqual({
    problem: "the kernel has several types thing, which differ (instruction 0)",
  });
});

test("records that lie are told", () => {
  expect(relocated([], [record("offset", "0:0")], local, coreTarget(kernel))).toHaveProperty("problem");
  expect(relocated([raw(0x95)], [record("offset", "0:0")], local, coreTarget(kernel))).toHaveProperty("problem");
  const lost = { ...record("offset", "0:0"), access: 99_999 };
  expect(relocated([mov(1, 0)], [lost], local, coreTarget(kernel))).toHaveProperty("problem");
});
