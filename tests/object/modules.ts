/** Modules written by hand: what the object writer must carry, whatever the compiler happens to emit. */
import { ALU, CLASS, JMP, LDDW, MODE, PSEUDO, SIZE } from "../../compiler/bpf/opcodes.ts";
import type { RawInsn } from "../../compiler/bpf/raw.ts";
import { structLayout, type Layout } from "../../compiler/layout.ts";
import type { BpfModule, BpfProgram, LineEntry, Relocation } from "../../compiler/module.ts";
import type { SourceFile, Span } from "../../compiler/span.ts";

export const insn = (code: number, dst = 0, src = 0, off = 0, imm = 0): RawInsn => ({ code, dst, src, off, imm });
const REGISTER = 0x08;
export const moveImmediate = (dst: number, imm: number): RawInsn => insn(CLASS.alu64 | ALU.mov.code, dst, 0, 0, imm);
export const move = (dst: number, src: number): RawInsn => insn(CLASS.alu64 | ALU.mov.code | REGISTER, dst, src);
export const addImmediate = (dst: number, imm: number): RawInsn => insn(CLASS.alu64 | ALU.add.code, dst, 0, 0, imm);
export const load32 = (dst: number, src: number, off: number): RawInsn =>
  insn(CLASS.ldx | SIZE.w | MODE.mem, dst, src, off);
export const store32 = (dst: number, off: number, src: number): RawInsn =>
  insn(CLASS.stx | SIZE.w | MODE.mem, dst, src, off);
export const ifEqual = (dst: number, imm: number, off: number): RawInsn =>
  insn(CLASS.jmp | JMP.jeq.code, dst, 0, off, imm);
export const callHelper = (id: number): RawInsn => insn(CLASS.jmp | JMP.call.code, 0, 0, 0, id);
export const callLocal = (distance: number): RawInsn => insn(CLASS.jmp | JMP.call.code, 0, 1, 0, distance);
export const exit = insn(CLASS.jmp | JMP.exit.code);
export const mapAddress = (dst: number): RawInsn[] => [insn(LDDW, dst, PSEUDO.mapFd), insn(0)];
export const globalAddress = (dst: number, offset: number): RawInsn[] => [
  insn(LDDW, dst, PSEUDO.mapValue),
  insn(0, 0, 0, 0, offset),
];

export const u8: Layout = { kind: "int", bits: 8, signed: false };
export const u16: Layout = { kind: "int", bits: 16, signed: false };
export const u32: Layout = { kind: "int", bits: 32, signed: false };
export const u64: Layout = { kind: "int", bits: 64, signed: false };
export const i32: Layout = { kind: "int", bits: 32, signed: true };
export const be16: Layout = { kind: "be", bits: 16 };
export const be32: Layout = { kind: "be", bits: 32 };
export const array = (of: Layout, length: number): Layout => ({ kind: "array", of, length });

const field = (name: string, layout: Layout) => ({ name, layout });
export const Address = structLayout("Address", [field("addr", be32), field("port", be16), field("id", u8)], false);
export const Addresses = structLayout("Addresses", [field("list", array(Address, 4)), field("count", u8)], false);
export const Wire = structLayout("Wire", [field("kind", u8), field("value", be32), field("rest", array(u8, 3))], true);
export const Prefix = structLayout("Prefix", [field("prefixLength", u32), field("address", be32)], false);

const main: SourceFile = {
  path: "programs/sample.ts",
  text: `import { countOf } from "./helper.ts";

export const sample = sockOps((ctx) => {
  const seen = counts.get(ctx.op);
  if (!seen) return 1;
\treturn countOf(seen) + limit; // "Zahl größer als null"
});
export const second = sockOps(() => 1);
`,
};
const helper: SourceFile = {
  path: "programs/helper.ts",
  text: "export function countOf(x: Count) {\n  return x.n;\n}\n",
};

/** The span of a piece of text in a source. */
export function spanOf(file: number, text: string, sources: readonly SourceFile[] = [main, helper]): Span {
  const start = sources[file]!.text.indexOf(text);
  return { file, start, end: start + text.length };
}

/** Lines for every instruction, all of them with one span. */
export const everyLine = (insns: readonly RawInsn[], span: Span): LineEntry[] =>
  insns.flatMap((_, slot) => (slot > 0 && insns[slot - 1]!.code === LDDW ? [] : [{ slot, span }]));

function sampleProgram(name: string): BpfProgram {
  const get = spanOf(0, "counts.get(ctx.op)");
  const ret = spanOf(0, "return 1");
  const count: Span = { ...spanOf(1, "x.n"), via: { kind: "call", at: spanOf(0, "countOf(seen)"), what: "countOf" } };
  const insns = [
    load32(1, 1, 0),
    store32(10, -4, 1),
    move(2, 10),
    addImmediate(2, -4),
    ...mapAddress(1),
    callHelper(1),
    ifEqual(0, 0, 6),
    load32(6, 0, 0),
    ...globalAddress(1, 4),
    load32(0, 1, 0),
    ...globalAddress(1, 2),
    moveImmediate(0, 1),
    exit,
  ];
  const spanAt = (slot: number): Span => (slot < 7 ? get : slot === 7 ? ret : slot < 12 ? count : ret);
  return {
    name,
    section: "sockops",
    type: "sock_ops",
    attachType: 3,
    insns,
    relocations: [
      { slot: 4, kind: "map", map: "counts" },
      { slot: 9, kind: "global", section: ".rodata", offset: 4 },
      { slot: 12, kind: "global", section: ".data", offset: 2 },
    ],
    lines: everyLine(insns, get).map(({ slot }) => ({ slot, span: spanAt(slot) })),
    functions: [{ name, slot: 0 }],
    stack: 8,
    span: spanOf(0, `export const ${name}`),
  };
}

/** Every map type of the language, nested and packed layouts, three global sections, names that C does not have. */
export const sample: BpfModule = {
  license: "GPL",
  target: "mainline",
  needs: ["sock-ops", "ring-buffer"],
  maps: [
    { name: "counts", type: "hash", key: u32, value: Address, maxEntries: 16, flags: 0, pinned: false, initial: [] },
    {
      name: "table",
      type: "array",
      key: u32,
      value: Addresses,
      maxEntries: 2,
      flags: 0,
      pinned: true,
      initial: [{ key: Uint8Array.of(1, 0, 0, 0), value: new Uint8Array(36).fill(7) }],
      span: spanOf(0, "counts"),
    },
    { name: "recent", type: "lru_hash", key: Wire, value: Wire, maxEntries: 8, flags: 0, pinned: false, initial: [] },
    { name: "perCpu", type: "percpu_array", key: u32, value: u64, maxEntries: 1, flags: 0, pinned: false, initial: [] },
    { name: "routes", type: "lpm_trie", key: Prefix, value: u8, maxEntries: 8, flags: 1, pinned: false, initial: [] },
    { name: "storage", type: "sk_storage", key: i32, value: u64, maxEntries: 0, flags: 1, pinned: false, initial: [] },
    { name: "events", type: "ringbuf", value: Wire, maxEntries: 4096, flags: 0, pinned: false, initial: [] },
  ],
  globals: [
    { name: "scale", section: ".rodata", offset: 0, layout: u16, init: Uint8Array.of(9, 0), param: true },
    {
      name: "limit",
      section: ".rodata",
      offset: 4,
      layout: u32,
      init: Uint8Array.of(1, 2, 3, 4),
      param: true,
      span: spanOf(0, "limit"),
    },
    {
      name: "größe$1",
      section: ".rodata",
      offset: 8,
      layout: { kind: "cstring", size: 8 },
      init: Uint8Array.of(98, 98, 114, 0, 0, 0, 0, 0),
      param: false,
    },
    {
      name: "gr__e_1",
      section: ".data",
      offset: 0,
      layout: array(u8, 4),
      init: Uint8Array.of(1, 2, 3, 4),
      param: false,
    },
    { name: "total", section: ".bss", offset: 0, layout: u64, init: new Uint8Array(8), param: false },
  ],
  programs: [sampleProgram("sample"), sampleProgram("second")],
  sources: [main, helper],
};

/** A program that calls functions, as clang's objects have them: two calls to one function, one function that calls on. */
export const withFunctions: BpfModule = (() => {
  const insns = [
    moveImmediate(1, 1),
    callLocal(4),
    move(6, 0),
    moveImmediate(1, 2),
    callLocal(1),
    exit,
    // inner at 6, last at 9
    callLocal(2),
    addImmediate(0, 1),
    exit,
    ...globalAddress(1, 0),
    load32(0, 1, 0),
    moveImmediate(0, 0),
    exit,
  ];
  const relocations: Relocation[] = [{ slot: 9, kind: "global", section: ".rodata", offset: 0 }];
  const program = (name: string): BpfProgram => ({
    name,
    section: name === "outer" ? "sockops" : "xdp",
    type: name === "outer" ? "sock_ops" : "xdp",
    attachType: name === "outer" ? 3 : 37,
    insns,
    relocations,
    lines: everyLine(insns, spanOf(0, "return 1")),
    functions: [
      { name, slot: 0 },
      { name: "inner", slot: 6, signature: { params: [{ name: "value", type: "ptr map-value" }], returns: "w64" } },
      { name: "last", slot: 9 },
    ],
    stack: 0,
  });
  return {
    license: "Dual MIT/GPL",
    target: "unknown",
    needs: [],
    maps: [],
    globals: [{ name: "k", section: ".rodata", offset: 0, layout: u32, init: Uint8Array.of(5, 0, 0, 0), param: true }],
    programs: [program("outer"), program("other")],
    sources: [main],
  };
})();

/** The least that there can be. */
export const least: BpfModule = {
  license: "",
  target: "mainline",
  needs: [],
  maps: [],
  globals: [],
  programs: [
    {
      name: "nothing",
      section: "sockops",
      type: "sock_ops",
      attachType: 3,
      insns: [moveImmediate(0, 1), exit],
      relocations: [],
      lines: [],
      functions: [{ name: "nothing", slot: 0 }],
      stack: 0,
    },
  ],
  sources: [],
};

export const handWritten: readonly (readonly [string, BpfModule])[] = [
  ["maps, variables and two programs", sample],
  ["functions", withFunctions],
  ["the least", least],
];
