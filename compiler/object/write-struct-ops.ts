/** Sections `.struct_ops` and `.struct_ops.link`: for each struct its members that have a value or a program, as libbpf matches them by name. */
import type { BpfModule, StructOps } from "../module.ts";
import type { BtfBuilder } from "./btf.ts";
import { RELOCATION, type ElfRelocation } from "./elf.ts";
import { charArrayType, intType, layoutType } from "./layout-types.ts";

export const STRUCT_OPS_SECTIONS = { linked: ".struct_ops.link", plain: ".struct_ops" } as const;
const POINTER_BYTES = 8;

export interface StructOpsSection {
  readonly name: string;
  readonly data: Uint8Array;
  readonly variables: readonly {
    readonly symbol: string;
    readonly at: number;
    readonly size: number;
    readonly type: number;
  }[];
  /** Addresses of programs, by symbol. */
  readonly programs: readonly { readonly offset: number; readonly symbol: string }[];
}

/** The sections of a module, each of which has something in it. `symbols`: of its programs and of its structs, in the module's order. */
export function structOpsSections(
  module: BpfModule,
  symbols: { readonly programs: readonly string[]; readonly structOps: readonly string[] },
  btf: BtfBuilder,
): readonly StructOpsSection[] {
  const all = (module.structOps ?? []).map((one, index) => ({ one, symbol: symbols.structOps[index]! }));
  const symbolOf = (program: string): string => {
    const index = module.programs.findIndex(({ name }) => name === program);
    if (index < 0) throw new RangeError(`there is no program ${program}`);
    return symbols.programs[index]!;
  };
  return [true, false].flatMap((link) => {
    const here = all.filter(({ one }) => one.link === link);
    if (here.length === 0) return [];
    let at = 0;
    const placed = here.map(({ one, symbol }) => {
      const struct = structType(btf, one);
      const start = at;
      at += Math.ceil(struct.size / POINTER_BYTES) * POINTER_BYTES;
      return { one, symbol, ...struct, at: start };
    });
    const data = new Uint8Array(at);
    for (const { one, at: start, offsets } of placed)
      for (const [member, bytes] of Object.entries(one.values)) data.set(bytes, start + offsets.get(member)!);
    const programs = placed.flatMap(({ one, at: start, offsets }) =>
      Object.entries(one.programs).map(([member, program]) => ({
        offset: start + offsets.get(member)!,
        symbol: symbolOf(program),
      })),
    );
    return [
      {
        name: link ? STRUCT_OPS_SECTIONS.linked : STRUCT_OPS_SECTIONS.plain,
        data,
        variables: placed.map(({ symbol, at: start, size, type }) => ({ symbol, at: start, size, type })),
        programs: programs.sort((left, right) => left.offset - right.offset),
      },
    ];
  });
}

/** A struct of the kernel's name with the members that are used: pointers to functions first, then data. */
function structType(
  btf: BtfBuilder,
  { struct, programs, values }: StructOps,
): { readonly type: number; readonly size: number; readonly offsets: ReadonlyMap<string, number> } {
  const proto = btf.add({ kind: "func_proto", returns: intType(btf), params: [] });
  const pointer = btf.add({ kind: "ptr", type: proto });
  const offsets = new Map<string, number>();
  const members: { name: string; type: number; offset: number; bits: number }[] = [];
  let at = 0;
  const add = (name: string, type: number, bytes: number): void => {
    offsets.set(name, at);
    members.push({ name, type, offset: at * 8, bits: 0 });
    at += bytes;
  };
  for (const name of Object.keys(programs)) add(name, pointer, POINTER_BYTES);
  for (const [name, bytes] of Object.entries(values))
    add(name, bytes.length === 4 ? layoutType(btf, U32) : charArrayType(btf, bytes.length), bytes.length);
  const size = Math.ceil(at / POINTER_BYTES) * POINTER_BYTES;
  return { type: btf.add({ kind: "struct", name: struct, size, members }), size, offsets };
}
const U32 = { kind: "int", bits: 32, signed: false } as const;

/** The relocations of a section; `index` finds symbols. */
export const structOpsRelocations = (
  { name, programs }: StructOpsSection,
  index: (symbol: string) => number | undefined,
): ElfRelocation[] =>
  programs.map(({ offset, symbol }) => {
    const found = index(symbol);
    if (found === undefined) throw new RangeError(`${name}: a relocation to ${symbol}, which is not there`);
    return { offset, type: RELOCATION["64_abs64"], symbol: found };
  });
