/**
 * Programs out of sections of code: each gets a copy of the functions that it calls, behind its own instructions, and the
 * calls are made relative to that (what libbpf does with functions in .text before it loads a program).
 */
import { CALL, CLASS, JMP, LDDW, PSEUDO } from "../bpf/opcodes.ts";
import { decodeSlots, SLOT_BYTES, type RawInsn } from "../bpf/raw.ts";
import type { Extern, FunctionEntry, Relocation } from "../module.ts";
import { clipped, type FormatProblem } from "./bytes.ts";
import { RELOCATION, SECTION_FLAG, SECTION_TYPE, SYMBOL_TYPE, symbolsBySection, type ElfFile } from "./elf.ts";
import type { PlacedSection } from "./read-globals.ts";

/** A function as it lies in its section. */
export interface CodePart {
  readonly name: string;
  /** Number of the ELF section. */
  readonly section: number;
  /** In slots. */
  readonly start: number;
  readonly end: number;
}
/** A linked program, and which part of which section each stretch of it came from. */
export interface Linked {
  readonly entry: CodePart;
  readonly insns: readonly RawInsn[];
  readonly relocations: readonly Relocation[];
  readonly functions: readonly FunctionEntry[];
  readonly externs: readonly Extern[];
  readonly pieces: readonly { readonly part: CodePart; readonly slot: number }[];
}
/** What relocations may point to. */
export interface LinkTargets {
  readonly globals: ReadonlyMap<number, PlacedSection>;
  readonly mapSections: ReadonlySet<number>;
  /** Functions of the kernel that the object describes. */
  readonly kernelFunctions: ReadonlySet<string>;
}

/** Instructions of all programs together; the kernel takes a million in one. */
const MOST_SLOTS = 1_000_000;
/** The kernel follows eight calls; functions that are never called together may chain longer here. */
const DEEPEST_CALLS = 64;

/** Sections of code by number. */
export function codeParts(elf: ElfFile): ReadonlyMap<number, readonly CodePart[]> {
  const symbols = symbolsBySection(elf);
  const parts = new Map<number, readonly CodePart[]>();
  elf.sections.forEach((section, number) => {
    if (section.type !== SECTION_TYPE.progbits || (section.flags & SECTION_FLAG.exec) === 0) return;
    const slots = Math.floor(section.data.length / SLOT_BYTES);
    if (slots === 0) return;
    const found: CodePart[] = [];
    for (const { name, type, value, size } of symbols.get(number) ?? []) {
      if (type !== SYMBOL_TYPE.func || size === 0 || value % SLOT_BYTES !== 0 || size % SLOT_BYTES !== 0) continue;
      const start = value / SLOT_BYTES;
      const end = start + size / SLOT_BYTES;
      if (start < (found.at(-1)?.end ?? 0) || end > slots) continue;
      found.push({ name, section: number, start, end });
    }
    // Code from an assembler may have no symbols that are marked as functions.
    if (found.length === 0) {
      const label = symbols
        .get(number)
        ?.find(({ type, value, name }) => type === SYMBOL_TYPE.none && value === 0 && name);
      found.push({ name: label?.name ?? section.name.replace(/^\./, ""), section: number, start: 0, end: slots });
    }
    parts.set(number, found);
  });
  return parts;
}

export interface Linker {
  readonly link: (entry: CodePart) => Linked | undefined;
}

export function linker(
  elf: ElfFile,
  parts: ReadonlyMap<number, readonly CodePart[]>,
  targets: LinkTargets,
  problems: FormatProblem[],
): Linker {
  const decoded = new Map<number, readonly RawInsn[]>();
  const code = (section: number): readonly RawInsn[] => {
    const before = decoded.get(section);
    if (before) return before;
    const { data } = elf.sections[section]!;
    const slots = decodeSlots(data.subarray(0, data.length - (data.length % SLOT_BYTES)));
    decoded.set(section, slots);
    return slots;
  };
  const relocations = new Map<number, ReadonlyMap<number, { readonly type: number; readonly symbol: number }>>();
  const relocation = (
    section: number,
    slot: number,
  ): { readonly type: number; readonly symbol: number } | undefined => {
    let bySlot = relocations.get(section);
    if (!bySlot) {
      bySlot = new Map(
        (elf.relocations.get(section) ?? []).map(({ offset, type, symbol }) => [offset / SLOT_BYTES, { type, symbol }]),
      );
      relocations.set(section, bySlot);
    }
    return bySlot.get(slot);
  };
  const starts = new Map<number, ReadonlyMap<number, CodePart>>();
  for (const [section, list] of parts) starts.set(section, new Map(list.map((part) => [part.start, part])));
  const told = new Set<string>();
  const tell = (part: CodePart, slot: number, text: string, undefinedSymbol?: string): void => {
    if (problems.length > 1000) return;
    const place = `${clipped(elf.sections[part.section]!.name)}, function ${clipped(part.name) || "without a name"}`;
    if (told.has(`${place}: ${text}`)) return;
    told.add(`${place}: ${text}`);
    const offset = (part.start + slot) * SLOT_BYTES;
    problems.push({ text: `${place}: ${text}`, offset, ...(undefinedSymbol ? { undefinedSymbol } : {}) });
  };
  let budget = MOST_SLOTS;

  const link = (entry: CodePart): Linked | undefined => {
    const insns: RawInsn[] = [];
    const found: Relocation[] = [];
    const functions: FunctionEntry[] = [];
    const externs: Extern[] = [];
    const pieces: { part: CodePart; slot: number }[] = [];
    const placed = new Map<CodePart, number>();

    const append = (part: CodePart, depth: number): boolean => {
      if (depth > DEEPEST_CALLS) {
        tell(part, 0, `its calls nest deeper than ${DEEPEST_CALLS}`);
        return false;
      }
      budget -= part.end - part.start;
      if (budget < 0) {
        tell(entry, 0, `the programs have more than ${MOST_SLOTS} instructions together`);
        return false;
      }
      const base = insns.length;
      placed.set(part, base);
      functions.push({ name: part.name, slot: base });
      pieces.push({ part, slot: base });
      const slots = code(part.section).slice(part.start, part.end);
      for (const slot of slots) insns.push(slot);
      for (let at = 0; at < slots.length; at++) {
        const insn = slots[at]!;
        const wide = insn.code === LDDW;
        const reference = refer(part, at, insn, slots[at + 1]);
        if (reference?.kind === "function") {
          if (!placed.has(reference.part) && !append(reference.part, depth + 1)) return false;
          const distance = placed.get(reference.part)! - (base + at) - 1;
          insns[base + at] = { ...insn, src: wide ? PSEUDO.func : CALL.local, imm: distance };
          if (wide) insns[base + at + 1] = { ...insns[base + at + 1]!, imm: 0 };
        } else if (reference?.kind === "extern") {
          const variable = wide ? "variable" : "function";
          externs.push({ slot: base + at, name: reference.name, kind: variable });
        } else if (reference) {
          const global = reference.kind === "global";
          insns[base + at] = { ...insn, src: global ? PSEUDO.mapValue : PSEUDO.mapFd, imm: 0 };
          insns[base + at + 1] = { ...insns[base + at + 1]!, imm: global ? reference.offset : 0 };
          found.push({ ...reference, slot: base + at });
        }
        if (wide) at++;
      }
      return true;
    };
    if (!append(entry, 0)) return undefined;
    found.sort((left, right) => left.slot - right.slot);
    return { entry, insns, relocations: found, functions, externs, pieces };
  };

  type Reference =
    | { readonly kind: "function"; readonly part: CodePart }
    | { readonly kind: "map"; readonly map: string }
    | { readonly kind: "extern"; readonly name: string }
    | { readonly kind: "global"; readonly section: PlacedSection["section"]; readonly offset: number };

  /** What an instruction refers to by a relocation, or by a call inside its section. */
  const refer = (part: CodePart, at: number, insn: RawInsn, second: RawInsn | undefined): Reference | undefined => {
    const call = insn.code === (CLASS.jmp | JMP.call.code);
    const slot = part.start + at;
    const relocated = relocation(part.section, slot);
    if (!relocated) {
      if (!call || insn.src !== CALL.local) return undefined;
      return toFunction(part, at, part.section, slot + 1 + insn.imm);
    }
    const symbol = elf.symbols[relocated.symbol]!;
    const section = elf.sections[symbol.section];
    if (!section || symbol.section === 0) {
      if (call && targets.kernelFunctions.has(symbol.name)) return { kind: "extern", name: symbol.name };
      const name = clipped(symbol.name);
      tell(part, at, `${name || "a symbol without a name"} is not defined in this object`, name);
      return name === "" ? undefined : { kind: "extern", name };
    }
    if (call && relocated.type === RELOCATION["64_32"])
      return toFunction(part, at, symbol.section, symbol.value / SLOT_BYTES + insn.imm + 1);
    if (insn.code !== LDDW || relocated.type !== RELOCATION["64_64"] || !second) {
      tell(part, at, `a relocation of type ${relocated.type} that an instruction cannot have`);
      return undefined;
    }
    if (targets.mapSections.has(symbol.section)) return { kind: "map", map: symbol.name };
    if (parts.has(symbol.section)) return toFunction(part, at, symbol.section, (symbol.value + insn.imm) / SLOT_BYTES);
    const place = targets.globals.get(symbol.section);
    const offset = symbol.value + insn.imm;
    if (place && offset >= 0 && offset <= section.size)
      return { kind: "global", section: place.section, offset: place.base + offset };
    tell(
      part,
      at,
      place ? `an address outside of ${clipped(section.name)}` : `an address in section ${clipped(section.name)}`,
    );
    return undefined;
  };
  const toFunction = (part: CodePart, at: number, section: number, slot: number): Reference | undefined => {
    const target = starts.get(section)?.get(slot);
    if (!target) tell(part, at, "a call to a place where no function starts");
    return target && { kind: "function", part: target };
  };
  return { link };
}
