/** The code of an object: which function lies where in which section, its relocations, its types and its source lines. */
import { CALL, CLASS, JMP, LDDW, PSEUDO } from "../bpf/opcodes.ts";
import { kindOf } from "../bpf/kinds/index.ts";
import { SLOT_BYTES, type RawInsn } from "../bpf/raw.ts";
import type { BpfModule, BpfProgram, GlobalSection } from "../module.ts";
import type { Span } from "../span.ts";
import { LINKAGE, type BtfBuilder } from "./btf.ts";
import type { FuncRecord, LineRecord } from "./btf-ext.ts";
import { RELOCATION } from "./elf.ts";
import { identifier, intType } from "./layout-types.ts";
import { placeFinder, portablePaths } from "./lines.ts";
import type { SymbolNames } from "./metadata.ts";

/** Where libbpf looks for functions that are not programs of their own. */
export const SUBPROGRAM_SECTION = ".text";
/** Kernels take no longer line of source than a page, and people read none. */
const LINE_TEXT_LIMIT = 400;

/** What a section of code holds before it is written. */
export interface CodeSection {
  readonly name: string;
  readonly slots: RawInsn[];
  readonly relocations: { readonly slot: number; readonly type: number; readonly symbol: string }[];
  readonly functions: { readonly symbol: string; readonly slot: number; readonly slots: number }[];
  readonly funcs: FuncRecord[];
  readonly lines: LineRecord[];
}
/** Sections of code: functions that programs call in .text, then the programs by the sections that they name. */
export function codeSections(module: BpfModule, names: SymbolNames, btf: BtfBuilder): CodeSection[] {
  const sections = new Map<string, CodeSection>();
  const open = (name: string): CodeSection => {
    const before = sections.get(name);
    if (before) return before;
    const made: CodeSection = { name, slots: [], relocations: [], functions: [], funcs: [], lines: [] };
    sections.set(name, made);
    return made;
  };
  if (module.programs.some((program) => program.functions.length > 1)) open(SUBPROGRAM_SECTION);
  const paths = portablePaths(module.sources);
  const place = placeFinder(module.sources);
  const symbolOf = globalSymbols(module, names);

  const addresses: { readonly section: CodeSection; readonly slot: number; readonly callee: string }[] = [];
  module.programs.forEach((program, index) => {
    const bounds = functionBounds(program);
    const symbols = bounds.map((bound, position) =>
      // Functions of different programs may share a name; the program's own symbol keeps theirs apart.
      position === 0 ? names.programs[index]! : `${names.programs[index]!}.${identifier(bound.name)}.${position}`,
    );
    const line = (span: Span, offset: number): LineRecord | undefined => {
      const found = place(span);
      if (!found) return undefined;
      return {
        offset,
        file: btf.strings.offset(paths[span.file]!),
        text: btf.strings.offset(found.text.slice(0, LINE_TEXT_LIMIT)),
        line: found.line,
        column: found.column,
      };
    };
    bounds.forEach((bound, position) => {
      const section = open(position === 0 ? program.section : SUBPROGRAM_SECTION);
      const base = section.slots.length;
      const slots = program.insns.slice(bound.start, bound.end);
      section.functions.push({ symbol: symbols[position]!, slot: base, slots: slots.length });
      section.funcs.push({
        offset: base * SLOT_BYTES,
        type: functionType(btf, position === 0 ? symbols[0]! : identifier(bound.name), program, position === 0),
      });
      section.lines.push(
        ...lineRecords(program, bound, (span, slot) => line(span, (base + slot - bound.start) * SLOT_BYTES)),
      );
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

interface FunctionBound {
  readonly name: string;
  readonly start: number;
  readonly end: number;
}
function functionBounds(program: BpfProgram): FunctionBound[] {
  const entries = program.functions.length > 0 ? program.functions : [{ name: program.name, slot: 0 }];
  return entries.map(({ name, slot }, index) => ({
    name,
    start: slot,
    end: entries[index + 1]?.slot ?? program.insns.length,
  }));
}

/** `int name(struct context *ctx)` for a program, `long name(…)` without parameters for what it calls. */
function functionType(btf: BtfBuilder, name: string, program: BpfProgram, entry: boolean): number {
  const type = kindOf(program.type);
  // The kernel knows the context by the name of its struct, and grumbles in its log about a forward declaration.
  const context = type?.context ? btf.add({ kind: "struct", name: type.context, size: 0, members: [] }) : 0;
  const params = entry ? [{ name: "ctx", type: btf.add({ kind: "ptr", type: context }) }] : [];
  const proto = btf.add({ kind: "func_proto", returns: intType(btf), params });
  return btf.add({ kind: "func", name, type: proto, linkage: entry ? LINKAGE.global : LINKAGE.static });
}

/**
 * Lines of one function: one record wherever the place changes, and one at the first slot whatever happens,
 * because kernels refuse a function that starts without a line when others have theirs.
 */
function lineRecords(
  program: BpfProgram,
  bound: FunctionBound,
  record: (span: Span, slot: number) => LineRecord | undefined,
): LineRecord[] {
  const records: LineRecord[] = [];
  let before: Span | undefined;
  for (const { slot, span } of program.lines) {
    if (slot >= bound.end) break;
    if (slot < bound.start) continue;
    const first = records.length === 0;
    if (!first && before && before.file === span.file && before.start === span.start) continue;
    const made = record(span, first ? bound.start : slot);
    if (!made) continue;
    before = span;
    const last = records.at(-1);
    if (last && last.file === made.file && last.line === made.line && last.column === made.column) continue;
    records.push(made);
  }
  const fallback = records.length === 0 ? (program.span ?? program.lines[0]?.span) : undefined;
  const only = fallback && record(fallback, bound.start);
  return only ? [only] : records;
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
