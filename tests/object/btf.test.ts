/** Our reading of BTF against bpftool's: every type of the running kernel, of our objects and of clang's. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { btfBuilder, decodeBtf, type Btf, type BtfType } from "../../compiler/object/btf.ts";
import { readElf } from "../../compiler/object/elf.ts";
import { writeObject } from "../../compiler/object/write.ts";
import { tool, withFile } from "./llvm.ts";
import { handWritten } from "./modules.ts";

const VMLINUX = "/sys/kernel/btf/vmlinux";
const peer = tool("bpftool", "version");

type Json = { readonly [key: string]: string | number | readonly Json[] | undefined };
const peerTypes = (path: string): readonly Json[] => {
  const text = execFileSync("bpftool", ["-j", "btf", "dump", "file", path], { encoding: "utf8", maxBuffer: 1 << 29 });
  // Values above 2^53 must not pass through JSON's numbers.
  const exact = text.replace(/"val":(-?\d+)/g, (_, digits: string) => `"val":"${enumerator(BigInt(digits))}"`);
  return (JSON.parse(exact) as { types: readonly Json[] }).types;
};
/** bpftool 7.1 extends the sign of unsigned 32-bit values; such values count as equal. */
const enumerator = (value: bigint): string =>
  (value >= 2n ** 64n - 2n ** 31n ? BigInt.asUintN(32, value) : value).toString();

const named = (name: string): string => (name === "" ? "(anon)" : name);
const LINKAGES = ["static", "global", "extern"];

/** A type in bpftool's words. */
function asPeer(type: BtfType, id: number): Json {
  const base = { id, kind: type.kind.toUpperCase(), name: named("name" in type ? type.name : "") };
  switch (type.kind) {
    case "int":
      return {
        ...base,
        size: type.size,
        bits_offset: 0,
        nr_bits: type.bits,
        encoding: type.signed ? "SIGNED" : type.char ? "CHAR" : type.bool ? "BOOL" : "(none)",
      };
    case "array":
      return { ...base, type_id: type.element, index_type_id: type.index, nr_elems: type.length };
    case "struct":
    case "union":
      return {
        ...base,
        size: type.size,
        vlen: type.members.length,
        members: type.members.map((member) => ({
          name: named(member.name),
          type_id: member.type,
          bits_offset: member.offset,
          ...(member.bits !== 0 ? { bitfield_size: member.bits } : {}),
        })),
      };
    case "enum":
    case "enum64":
      return {
        ...base,
        encoding: type.signed ? "SIGNED" : "UNSIGNED",
        size: type.size,
        vlen: type.values.length,
        values: type.values.map(({ name, value }) => ({ name: named(name), val: enumerator(value) })),
      };
    case "fwd":
      return { ...base, fwd_kind: type.union ? "union" : "struct" };
    case "func":
    case "var":
      return { ...base, type_id: type.type, linkage: LINKAGES[type.linkage] };
    case "func_proto":
      return {
        ...base,
        ret_type_id: type.returns,
        vlen: type.params.length,
        params: type.params.map((param) => ({ name: named(param.name), type_id: param.type })),
      };
    case "datasec":
      return {
        ...base,
        size: type.size,
        vlen: type.vars.length,
        vars: type.vars.map((entry) => ({ type_id: entry.type, offset: entry.offset, size: entry.size })),
      };
    case "float":
      return { ...base, size: type.size };
    case "decl_tag":
      return { ...base, type_id: type.type, component_idx: type.component };
    default:
      return { ...base, type_id: type.type };
  }
}

function compare(btf: Btf, theirs: readonly Json[]): void {
  expect(btf.types.length - 1).toBe(theirs.length);
  const wrong: unknown[] = [];
  btf.types.forEach((type, id) => {
    if (!type || wrong.length > 5) return;
    const ours = JSON.stringify(asPeer(type, id));
    const peers = JSON.stringify(theirs[id - 1]);
    if (ours !== peers) wrong.push([ours, peers]);
  });
  expect(wrong).toEqual([]);
}

const decoded = (bytes: Uint8Array): Btf => {
  const btf = decodeBtf(bytes);
  if ("problem" in btf) throw new Error(btf.problem.text);
  return btf.value;
};

describe.skipIf(!peer.available)(`as bpftool reads it${peer.reason}`, () => {
  test.skipIf(!existsSync(VMLINUX))(
    `the running kernel's${existsSync(VMLINUX) ? "" : " (skipped: it has none)"}`,
    () => {
      const btf = decoded(new Uint8Array(readFileSync(VMLINUX)));
      expect(btf.types.length).toBeGreaterThan(10_000);
      compare(btf, peerTypes(VMLINUX));
    },
  );

  test.each(handWritten)("ours: %s", (_, module) => {
    const object = writeObject(module);
    const elf = readElf(object);
    if ("problem" in elf) throw new Error(elf.problem.text);
    compare(decoded(elf.value.sections.find(({ name }) => name === ".BTF")!.data), withFile(object, peerTypes));
  });
});

test("what is encoded is decoded, every kind", () => {
  const types: BtfType[] = [
    { kind: "int", name: "int", size: 4, bits: 32, signed: true },
    { kind: "ptr", type: 0 },
    { kind: "array", element: 1, index: 1, length: 0xffff_ffff },
    {
      kind: "struct",
      name: "bits",
      size: 4,
      members: [
        { name: "low", type: 1, offset: 0, bits: 3 },
        { name: "high", type: 1, offset: 3, bits: 29 },
      ],
    },
    { kind: "union", name: "", size: 4, members: [{ name: "a", type: 1, offset: 0, bits: 0 }] },
    { kind: "enum", name: "e", size: 4, signed: true, values: [{ name: "least", value: -(2n ** 31n) }] },
    { kind: "fwd", name: "later", union: true },
    { kind: "typedef", name: "number", type: 1 },
    { kind: "volatile", name: "", type: 1 },
    { kind: "const", name: "", type: 9 },
    { kind: "restrict", name: "", type: 2 },
    { kind: "func_proto", returns: 1, params: [{ name: "x", type: 1 }] },
    { kind: "func", name: "f", type: 12, linkage: 1 },
    { kind: "var", name: "v", type: 10, linkage: 0 },
    { kind: "datasec", name: ".data", size: 4, vars: [{ type: 14, offset: 0, size: 4 }] },
    { kind: "float", name: "double", size: 8 },
    { kind: "decl_tag", name: "tag", type: 4, component: -1 },
    { kind: "type_tag", name: "user", type: 1 },
    { kind: "enum64", name: "wide", size: 8, signed: false, values: [{ name: "most", value: 2n ** 64n - 1n }] },
  ];
  const btf = btfBuilder();
  for (const type of types) btf.add(type);
  expect(decoded(btf.finish()).types.slice(1)).toEqual(types);
});

test("a damaged section is told with its place", () => {
  const btf = btfBuilder();
  btf.add({ kind: "ptr", type: 7 });
  expect(decodeBtf(btf.finish())).toEqual({
    problem: { text: ".BTF: type 1 refers to a type that does not exist" },
  });
  const cut = btf.finish();
  new DataView(cut.buffer).setUint32(12, 8, true);
  expect(decodeBtf(cut)).toEqual({ problem: { text: ".BTF: type 1 is cut off", offset: 24 } });
});
