/** A module as an ELF object that libbpf, bpftool and our own loader take. Same module, same bytes. */
import { findMember, kernelTypes, type KernelTypes } from "../bpf/kernel-types.ts";
import { MAP_TYPES } from "../bpf/map-types.ts";
import { encodeSlots, SLOT_BYTES } from "../bpf/raw.ts";
import { sizeOf } from "../layout.ts";
import type { BpfModule, GlobalSection, GlobalVar, MapSpec } from "../module.ts";
import { btfBuilder, type BtfBuilder } from "./btf.ts";
import { encodeBtfExt } from "./btf-ext.ts";
import { isRing, sectionType } from "./describe.ts";
import {
  SECTION_FLAG,
  SECTION_TYPE,
  SYMBOL_BINDING,
  SYMBOL_TYPE,
  writeElf,
  type ElfRelocation,
  type NewSection,
  type NewSymbol,
} from "./elf.ts";
import { kernelStructs } from "./kernel-structs.ts";
import { arrayType, charArrayType, identifier, intType, layoutType } from "./layout-types.ts";
import { writeMetric } from "./metrics.ts";
import { encodeMetadata, metadataOf, METADATA_SECTION, type SymbolNames } from "./metadata.ts";
import { structOpsRelocations, structOpsSections } from "./write-struct-ops.ts";
import { codeSections, SUBPROGRAM_SECTION } from "./write-code.ts";
import { externFunctions } from "./write-externs.ts";

/** The section of what the object does not have itself. */
const UNDEFINED = -1;
/** Value of the `pinning` member of a map's definition (LIBBPF_PIN_BY_NAME). */
const PIN_BY_NAME = 1;
const GLOBAL_SECTIONS = {
  ".rodata": { type: SECTION_TYPE.progbits, flags: SECTION_FLAG.alloc },
  ".data": { type: SECTION_TYPE.progbits, flags: SECTION_FLAG.alloc | SECTION_FLAG.write },
  ".bss": { type: SECTION_TYPE.nobits, flags: SECTION_FLAG.alloc | SECTION_FLAG.write },
} as const satisfies Record<GlobalSection, { readonly type: number; readonly flags: number }>;
interface Symbols {
  readonly ids: ReadonlyMap<string, number>;
  readonly list: readonly NewSymbol[];
}

/** Programs with facts of structs whose types are not at hand, as other compilers' have, are written without facts: the numbers in them stay. */
const withKnownFacts = (module: BpfModule, types: KernelTypes): BpfModule => ({
  ...module,
  programs: module.programs.map(({ core, ...program }) =>
    core?.every(({ fact }) => findMember(types, fact.struct, fact.member)) ? { ...program, core } : program,
  ),
});

/** Writes the object. A module whose parts contradict each other (a relocation to a map that is not there) is a RangeError. */
export function writeObject(given: BpfModule, types: KernelTypes = kernelTypes()): Uint8Array {
  const module = withKnownFacts(given, types);
  const names = symbolNames(module);
  const btf = btfBuilder();
  const mapTypes = module.maps.map((map) => mapDefinition(btf, map));
  module.maps.forEach((map, index) => writeMetric(btf, names.maps[index]!, map));
  const globals = globalSections(module, names);
  const facts = module.programs.flatMap(({ core = [] }) => core.map(({ fact }) => fact));
  const code = codeSections(module, names, btf, kernelStructs(btf, types, facts));
  const ops = structOpsSections(module, names, btf);

  const sections: NewSection[] = [];
  const symbols: NewSymbol[] = [];
  const addSymbols = (section: number, binding: number, type: number, each: readonly Extent[]): void => {
    for (const { symbol, at, size } of each) symbols.push({ name: symbol, value: at, size, type, binding, section });
  };
  type Extent = { readonly symbol: string; readonly at: number; readonly size: number };
  const { local, global } = SYMBOL_BINDING;
  const later: (() => void)[] = [];

  for (const section of code) {
    const number = sections.length;
    sections.push({
      name: section.name,
      type: SECTION_TYPE.progbits,
      flags: SECTION_FLAG.alloc | SECTION_FLAG.exec,
      align: SLOT_BYTES,
      data: encodeSlots(section.slots),
    });
    const extents = section.functions.map(({ symbol, slot, slots }) => ({
      symbol,
      at: slot * SLOT_BYTES,
      size: slots * SLOT_BYTES,
    }));
    if (section.name === SUBPROGRAM_SECTION) {
      addSymbols(number, local, SYMBOL_TYPE.section, [{ symbol: "", at: 0, size: 0 }]);
      addSymbols(number, local, SYMBOL_TYPE.func, extents);
    } else later.push(() => addSymbols(number, global, SYMBOL_TYPE.func, extents));
  }
  for (const area of globals) {
    const number = sections.length;
    const shape = GLOBAL_SECTIONS[area.section];
    sections.push({ name: area.section, ...shape, align: 8, data: area.data, size: area.size });
    // Addresses inside a variable, or of no variable, are relative to the section's own symbol.
    addSymbols(number, local, SYMBOL_TYPE.section, [{ symbol: "", at: 0, size: 0 }]);
    later.push(() => addSymbols(number, global, SYMBOL_TYPE.object, area.variables));
    sectionType(
      btf,
      area.section,
      area.size,
      area.variables.map((entry) => ({ ...entry, type: () => layoutType(btf, entry.variable.layout) })),
    );
  }
  if (module.maps.length > 0) {
    const number = sections.length;
    let at = 0;
    const placed = mapTypes.map(({ type, size }, index) => {
      const entry = { symbol: names.maps[index]!, at, size, type: () => type };
      at += size;
      return entry;
    });
    sections.push({
      name: ".maps",
      type: SECTION_TYPE.progbits,
      flags: SECTION_FLAG.alloc | SECTION_FLAG.write,
      align: 8,
      data: new Uint8Array(at),
    });
    later.push(() => addSymbols(number, global, SYMBOL_TYPE.object, placed));
    sectionType(btf, ".maps", at, placed);
  }
  const opsFrom = sections.length;
  for (const { name, data, variables } of ops) {
    const number = sections.length;
    const flags = SECTION_FLAG.alloc | SECTION_FLAG.write;
    sections.push({ name, type: SECTION_TYPE.progbits, flags, align: 8, data });
    later.push(() => addSymbols(number, global, SYMBOL_TYPE.object, variables));
    sectionType(
      btf,
      name,
      data.length,
      variables.map((one) => ({ ...one, type: () => one.type })),
    );
  }
  if (module.license !== "") {
    const number = sections.length;
    const data = new TextEncoder().encode(`${module.license}\0`);
    const type = charArrayType(btf, data.length);
    const extent = { symbol: "_license", at: 0, size: data.length, type: () => type };
    sections.push({
      name: "license",
      type: SECTION_TYPE.progbits,
      flags: SECTION_FLAG.alloc | SECTION_FLAG.write,
      align: 1,
      data,
    });
    later.push(() => addSymbols(number, global, SYMBOL_TYPE.object, [extent]));
    sectionType(btf, "license", data.length, [extent]);
  }
  for (const add of later) add();
  for (const name of externFunctions(module, btf))
    symbols.push({ name, value: 0, size: 0, type: SYMBOL_TYPE.none, binding: global, section: UNDEFINED });

  const table = symbolTable(symbols, sections);
  code.forEach((section, number) => {
    const relocations = section.relocations.map(({ slot, type, symbol }): ElfRelocation => {
      const index = table.ids.get(symbol);
      if (index === undefined) throw new RangeError(`${section.name}: a relocation to ${symbol}, which is not there`);
      return { offset: slot * SLOT_BYTES, type, symbol: index };
    });
    sections[number] = { ...sections[number]!, relocations };
  });

  ops.forEach((section, index) => {
    const relocations = structOpsRelocations(section, (symbol) => table.ids.get(symbol));
    sections[opsFrom + index] = { ...sections[opsFrom + index]!, relocations };
  });

  const unallocated = { type: SECTION_TYPE.progbits, flags: 0 } as const;
  const ext = encodeBtfExt(
    {
      funcs: new Map(code.map((section) => [section.name, section.funcs])),
      lines: new Map(code.map((section) => [section.name, section.lines])),
      core: new Map(code.map((section) => [section.name, section.core])),
    },
    btf.strings.offset,
  );
  sections.push({ name: ".BTF", ...unallocated, align: 4, data: btf.finish() });
  sections.push({ name: ".BTF.ext", ...unallocated, align: 4, data: ext });
  // Loaders pass over string tables in silence, and tell their users about any other section that they do not know.
  sections.push({
    name: METADATA_SECTION,
    type: SECTION_TYPE.strtab,
    flags: 0,
    align: 1,
    data: encodeMetadata(metadataOf(module, names)),
  });
  return writeElf(sections, table.list);
}

/** C identifiers for everything that gets a symbol, each once. */
function symbolNames(module: BpfModule): SymbolNames {
  const taken = new Set<string>(["_license"]);
  const unique = (name: string): string => {
    const plain = identifier(name);
    let symbol = plain;
    for (let count = 2; taken.has(symbol); count++) symbol = `${plain}_${count}`;
    taken.add(symbol);
    return symbol;
  };
  // Programs and maps first: their names are what users of the object look for.
  const programs = module.programs.map((program) => unique(program.name));
  const maps = module.maps.map((map) => unique(map.name));
  const structOps = (module.structOps ?? []).map((one) => unique(one.name));
  return { programs, maps, structOps, globals: module.globals.map((variable) => unique(variable.name)) };
}

/** The anonymous struct whose members describe a map (libbpf's "BTF-defined maps"). */
function mapDefinition(btf: BtfBuilder, map: MapSpec): { readonly type: number; readonly size: number } {
  if (!Object.hasOwn(MAP_TYPES, map.type)) throw new RangeError(`map ${map.name} is of unknown type ${map.type}`);
  const number = MAP_TYPES[map.type as keyof typeof MAP_TYPES].number;
  const value = (count: number): number => btf.add({ kind: "ptr", type: arrayType(btf, intType(btf), count) });
  const members: { name: string; type: number }[] = [
    { name: "type", type: value(number) },
    { name: "max_entries", type: value(map.maxEntries) },
  ];
  // A ring buffer has no values for the kernel; the layout of its records is for readers of .tsbpf.
  if (map.key) members.push({ name: "key", type: btf.add({ kind: "ptr", type: layoutType(btf, map.key) }) });
  if (map.value && !isRing(map))
    members.push({ name: "value", type: btf.add({ kind: "ptr", type: layoutType(btf, map.value) }) });
  if (map.flags !== 0) members.push({ name: "map_flags", type: value(map.flags) });
  if (map.pinned) members.push({ name: "pinning", type: value(PIN_BY_NAME) });
  const size = members.length * 8;
  const type = btf.add({
    kind: "struct",
    name: "",
    size,
    members: members.map((member, index) => ({ ...member, offset: index * 64, bits: 0 })),
  });
  return { type, size };
}
interface GlobalArea {
  readonly section: GlobalSection;
  readonly size: number;
  readonly data: Uint8Array;
  readonly variables: readonly {
    readonly symbol: string;
    readonly at: number;
    readonly size: number;
    readonly variable: GlobalVar;
  }[];
}
function globalSections(module: BpfModule, names: SymbolNames): readonly GlobalArea[] {
  return (Object.keys(GLOBAL_SECTIONS) as GlobalSection[]).flatMap((section) => {
    const variables = module.globals.flatMap((variable, index) =>
      variable.section === section
        ? [{ symbol: names.globals[index]!, at: variable.offset, size: sizeOf(variable.layout), variable }]
        : [],
    );
    if (variables.length === 0) return [];
    const size = Math.max(...variables.map(({ at, size }) => at + size));
    const data = new Uint8Array(section === ".bss" ? 0 : size);
    if (section !== ".bss") for (const { at, variable } of variables) data.set(variable.init, at);
    return [{ section, size, data, variables }];
  });
}

/** Locals first, as ELF demands; section symbols are found by their section's name. */
function symbolTable(symbols: readonly NewSymbol[], sections: readonly NewSection[]): Symbols {
  const ids = new Map<string, number>();
  symbols.forEach((symbol, index) => {
    const name = symbol.type === SYMBOL_TYPE.section ? sections[symbol.section]!.name : symbol.name;
    if (!ids.has(name)) ids.set(name, index);
  });
  return { ids, list: symbols };
}
