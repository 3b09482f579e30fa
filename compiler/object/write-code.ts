/** The code of an object: which function lies where in which section, its relocations, its types and its source lines. */
import { CORE_KINDS } from "../bpf/core-kinds.ts";
import { CALL, CLASS, JMP, LDDW, PSEUDO } from "../bpf/opcodes.ts";
import { SLOT_BYTES, type RawInsn } from "../bpf/raw.ts";
import type { BpfModule, GlobalSection } from "../module.ts";
import type { BtfBuilder } from "./btf.ts";
import type { CoreRecord, FuncRecord, LineRecord } from "./btf-ext.ts";
import type { KernelStructs } from "./kernel-structs.ts";
import { RELOCATION } from "./elf.ts";
import { functionBounds, functionType, lineWriter } from "./describe.ts";
import { identifier } from "./layout-types.ts";
import type { SymbolNames } from "./metadata.ts";

/** Where libbpf looks for functions that are not programs of their own. */
export const SUBPROGRAM_SECTION = ".text";

/** What a section of code holds before it is written. */
export interface CodeSection {
  readonly name: string;
  readonly slots: RawInsn[];
  readonly relocations: { readonly slot: number; readonly type: number; readonly symbol: string }[];
  readonly functions: { readonly symbol: string; readonly slot: number; readonly slots: number }[];
  readonly funcs: FuncRecord[];
  readonly lines: LineRecord[];
  readonly core: CoreRecord[];
}
/** Sections of code: functions that programs call in .text, then the programs by the sections that they name. */
export function codeSections(
  module: BpfModule,
  names: SymbolNames,
  btf: BtfBuilder,
  structs: KernelStructs,
): CodeSection[] {
  const sections = new Map<string, CodeSection>();
  const open = (name: string): CodeSection => {
    const before = sections.get(name);
    if (before) return before;
    const made: CodeSection = { name, slots: [], relocations: [], functions: [], funcs: [], lines: [], core: [] };
    sections.set(name, made);
    return made;
  };
  if (module.programs.some((program) => program.functions.length > 1)) open(SUBPROGRAM_SECTION);
  const lines = lineWriter(btf, module);
  const symbolOf = globalSymbols(module, names);

  const addresses: { readonly section: CodeSection; readonly slot: number; readonly callee: string }[] = [];
  module.programs.forEach((program, index) => {
    const bounds = functionBounds(program);
    const symbols = bounds.map((bound, position) =>
      // Functions of different programs may share a name; the program's own symbol keeps theirs apart.
      position === 0 ? names.programs[index]! : `${names.programs[index]!}.${identifier(bound.name)}.${position}`,
    );
    bounds.forEach((bound, position) => {
      const section = open(position === 0 ? program.section : SUBPROGRAM_SECTION);
      const base = section.slots.length;
      const slots = program.insns.slice(bound.start, bound.end);
      section.functions.push({ symbol: symbols[position]!, slot: base, slots: slots.length });
      section.funcs.push({
        offset: base * SLOT_BYTES,
        type: functionType(btf, program, position, position === 0 ? symbols[0]! : identifier(bound.name)),
      });
      for (const line of lines(program, bound))
        section.lines.push({ ...line, offset: (base + line.offset - bound.start) * SLOT_BYTES });
      slots.forEach((slot, offset) => {
        const extern = program.externs?.find((one) => one.slot === bound.start + offset && one.kind === "function");
        if (extern) {
          // As LLVM leaves it: which function of the kernel it is, the loader finds by the symbol's name.
          slots[offset] = { ...slot, src: CALL.local, imm: -1 };
          section.relocations.push({ slot: base + offset, type: RELOCATION["64_32"], symbol: extern.name });
          return;
        }
        const call = slot.code === (CLASS.jmp | JMP.call.code) && slot.src === CALL.local;
        const address = slot.code === LDDW && slot.src === PSEUDO.func;
        if (!call && !address) return;
        const target = bound.start + offset + 1 + slot.imm;
        const callee = bounds.findIndex((each) => each.start === target);
        if (callee < 0) throw new RangeError(`${program.name}: slot ${bound.start + offset} calls into no function`);
        if (address) {
          addresses.push({ section, slot: base + offset, callee: symbols[callee]! });
          return;
        }
        // LLVM writes −1 in the immediate of a call whose symbol says where to go.
        slots[offset] = { ...slot, imm: -1 };
        section.relocations.push({ slot: base + offset, type: RELOCATION["64_32"], symbol: symbols[callee]! });
      });
      for (const relocation of program.relocations) {
        if (relocation.slot < bound.start || relocation.slot >= bound.end) continue;
        const at = relocation.slot - bound.start;
        const { symbol, addend } =
          relocation.kind === "map"
            ? { symbol: names.maps[module.maps.findIndex((map) => map.name === relocation.map)], addend: 0 }
            : symbolOf(relocation.section, relocation.offset);
        if (symbol === undefined || slots[at + 1] === undefined)
          throw new RangeError(`${program.name}: the relocation of slot ${relocation.slot} points nowhere`);
        slots[at] = { ...slots[at]!, src: 0, imm: addend };
        slots[at + 1] = { ...slots[at + 1]!, imm: 0 };
        section.relocations.push({ slot: base + at, type: RELOCATION["64_64"], symbol });
      }
      for (const { slot, fact } of program.core ?? []) {
        if (slot < bound.start || slot >= bound.end) continue;
        const { type, access } = structs.access(fact);
        const offset = (base + slot - bound.start) * SLOT_BYTES;
        section.core.push({ offset, type, access: btf.strings.offset(access), kind: CORE_KINDS[fact.kind] });
      }
      for (const slot of slots) section.slots.push(slot);
    });
  });
  // libbpf takes addresses of functions only as the section .text and an offset in it.
  for (const { section, slot, callee } of addresses) {
    const start = open(SUBPROGRAM_SECTION).functions.find(({ symbol }) => symbol === callee)?.slot;
    if (start === undefined) throw new RangeError(`${section.name}: the address of the program ${callee} is taken`);
    section.slots[slot] = { ...section.slots[slot]!, src: 0, imm: start * SLOT_BYTES };
    section.relocations.push({ slot, type: RELOCATION["64_64"], symbol: SUBPROGRAM_SECTION });
  }
  for (const { relocations } of sections.values()) relocations.sort((left, right) => left.slot - right.slot);
  return [...sections.values()];
}

/** The symbol nearest below an address of a global section, and the distance to it; section symbols have the section's name. */
function globalSymbols(
  module: BpfModule,
  names: SymbolNames,
): (section: GlobalSection, offset: number) => { readonly symbol: string; readonly addend: number } {
  return (section, offset) => {
    const index = module.globals.findIndex((variable) => variable.section === section && variable.offset === offset);
    return index >= 0 ? { symbol: names.globals[index]!, addend: 0 } : { symbol: section, addend: offset };
  };
}
