/**
 * The BTF of an object in the form in which bpf(2) takes it (BPF_BTF_LOAD, and func_info, line_info and core_relos of
 * BPF_PROG_LOAD). Only the object's own BTF will do where it has CO-RE relocations: they name types by id and members by
 * strings of it.
 */
import { SLOT_BYTES } from "../bpf/raw.ts";
import { BTF_KIND, LINKAGE, type Btf } from "./btf.ts";
import { writeCore, writeFunc, writeLine, type BtfExt } from "./btf-ext.ts";
import { byteWriter, clipped, viewOf, type ByteWriter, type FormatProblem } from "./bytes.ts";
import { SECTION_TYPE, type ElfFile } from "./elf.ts";
import type { CodePart, Linked } from "./link.ts";
import { inOrder, recordsOf } from "./records.ts";

export interface KernelInfo {
  /** The section .BTF, with the sizes and offsets that clang leaves to the loader. */
  readonly btf: Uint8Array;
  /** By name of the program, in the order of the module. */
  readonly programs: readonly ProgramInfo[];
}
export interface ProgramInfo {
  readonly name: string;
  /** struct bpf_func_info, 8 bytes each; `insn_off` counts slots of the linked program. */
  readonly functions: Uint8Array;
  /** struct bpf_line_info, 16 bytes each; `insn_off` as above. */
  readonly lines: Uint8Array;
  /** struct bpf_core_relo, 16 bytes each; `insn_off` counts bytes of the linked program. Empty without CO-RE. */
  readonly core: Uint8Array;
}

export function kernelInfo(
  section: Uint8Array,
  btf: Btf,
  ext: BtfExt,
  elf: ElfFile,
  linked: readonly Linked[],
  problems: FormatProblem[],
): KernelInfo {
  const numbers = new Map<string, number>();
  elf.sections.forEach(({ name, type }, number) => {
    if (type === SECTION_TYPE.progbits && !numbers.has(name)) numbers.set(name, number);
  });
  const sorted = <T extends { readonly offset: number }>(groups: ReadonlyMap<string, readonly T[]>) =>
    new Map(
      [...groups].flatMap(([name, records]): [number, readonly T[]][] => {
        const number = numbers.get(name);
        return number === undefined ? [] : [[number, inOrder(records)]];
      }),
    );
  const funcs = sorted(ext.funcs);
  const lines = sorted(ext.lines);
  const core = sorted(ext.core);
  const moved = <T extends { readonly offset: number }>(
    program: Linked,
    groups: ReadonlyMap<number, readonly T[]>,
    unit: number,
    write: (out: ByteWriter, record: T) => void,
  ): Uint8Array => {
    const out = byteWriter();
    for (const { part, slot } of program.pieces)
      for (const record of recordsOf(groups.get(part.section) ?? [], part))
        write(out, { ...record, offset: placed(record.offset, part, slot) / unit });
    return out.finish();
  };
  return {
    btf: completed(section, btf, elf, problems),
    programs: linked.map((program) => ({
      name: program.entry.name,
      functions: moved(program, funcs, SLOT_BYTES, writeFunc),
      lines: moved(program, lines, SLOT_BYTES, writeLine),
      core: moved(program, core, 1, writeCore),
    })),
  };
}

/** In bytes from the start of the linked program. */
const placed = (offset: number, part: CodePart, slot: number): number => offset + (slot - part.start) * SLOT_BYTES;

/** Fills in sizes of data sections and offsets of their variables, and sorts the variables, as the kernel wants them. */
function completed(section: Uint8Array, btf: Btf, elf: ElfFile, problems: FormatProblem[]): Uint8Array {
  const copy = section.slice();
  const view = viewOf(copy);
  const places = symbolPlaces(elf);
  btf.types.forEach((type, id) => {
    if (type?.kind === "func" && type.linkage === LINKAGE.extern) asOwn(view, btf.offsets[id]!);
    if (type?.kind !== "datasec") return;
    if (isListOfFunctions(btf, type)) return asStruct(view, btf, btf.offsets[id]!, type.vars.length);
    const found = places.get(type.name);
    if (!found) {
      // .kconfig and variables in .ksyms stand for what only libbpf can find in the running kernel.
      const asks = type.name === ".kconfig" ? { undefinedSymbol: type.name } : {};
      problems.push({ text: `.BTF: data section ${clipped(type.name)} is no section of the object`, ...asks });
      return;
    }
    const at = btf.offsets[id]!;
    const vars = type.vars
      .map((entry) => {
        const variable = btf.types[entry.type];
        const offset = variable?.kind === "var" ? found.symbols.get(variable.name) : undefined;
        return { ...entry, offset: offset ?? entry.offset };
      })
      .sort((left, right) => left.offset - right.offset);
    view.setUint32(at + 8, Math.min(found.size, 0xffff_ffff), true);
    vars.forEach((entry, index) => {
      view.setUint32(at + 12 + index * 12, entry.type, true);
      view.setUint32(at + 16 + index * 12, Math.min(entry.offset, 0xffff_ffff), true);
      view.setUint32(at + 20 + index * 12, entry.size, true);
    });
  });
  return copy;
}

type DataSection = Extract<Btf["types"][number], { readonly kind: "datasec" }>;
/** `.ksyms` of functions alone: which they are in the kernel, the instructions say once they are loaded. */
const isListOfFunctions = (btf: Btf, { name, vars }: DataSection): boolean =>
  name === ".ksyms" && vars.every(({ type }) => btf.types[type]?.kind === "func");
/** The kernel has no functions of linkage "extern" in an object's BTF. */
const asOwn = (view: DataView, at: number): void => {
  view.setUint32(at + 4, ((BTF_KIND.func << 24) | LINKAGE.global) >>> 0, true);
};
/** Nor functions in a data section: a struct of as many numbers takes its place, and its bytes. */
function asStruct(view: DataView, btf: Btf, at: number, count: number): void {
  const int = btf.types.findIndex((type) => type?.kind === "int" && type.size === 4);
  const members = int < 0 ? 0 : count;
  view.setUint32(at, 0, true);
  view.setUint32(at + 4, ((BTF_KIND.struct << 24) | members) >>> 0, true);
  view.setUint32(at + 8, 4 * members, true);
  for (let index = 0; index < members; index++) {
    view.setUint32(at + 12 + index * 12, 0, true);
    view.setUint32(at + 16 + index * 12, int, true);
    view.setUint32(at + 20 + index * 12, 32 * index, true);
  }
}

interface SymbolPlaces {
  readonly size: number;
  readonly symbols: ReadonlyMap<string, number>;
}
function symbolPlaces(elf: ElfFile): ReadonlyMap<string, SymbolPlaces> {
  const bySection = new Map<number, Map<string, number>>();
  for (const symbol of elf.symbols) {
    const list = bySection.get(symbol.section) ?? new Map<string, number>();
    bySection.set(symbol.section, list);
    if (symbol.name !== "") list.set(symbol.name, symbol.value);
  }
  const places = new Map<string, SymbolPlaces>();
  elf.sections.forEach(({ name, size }, number) => {
    if (number > 0 && !places.has(name)) places.set(name, { size, symbols: bySection.get(number) ?? new Map() });
  });
  return places;
}
