/** Variables of .rodata, .data and .bss, and where the sections that carry these names as a prefix end up in them. */
import { type Layout, sizeOf } from "../layout.ts";
import type { GlobalSection, GlobalVar, KeptPart } from "../module.ts";
import { LINKAGE, type Btf } from "./btf.ts";
import { clipped, type FormatProblem } from "./bytes.ts";
import { SECTION_TYPE, SYMBOL_TYPE, symbolsBySection, type ElfFile, type ElfSymbol } from "./elf.ts";
import { keptParts } from "./kept-parts.ts";
import { layoutReader } from "./type-layouts.ts";

/** A module has one section of each kind; clang's .rodata.str1.1, .rodata.cst16 and the like are appended to theirs. */
export interface PlacedSection {
  readonly section: GlobalSection;
  /** Where it starts in the module's section, in bytes. */
  readonly base: number;
}
export interface ReadGlobals {
  readonly globals: readonly GlobalVar[];
  /** By number of the ELF section. */
  readonly placed: ReadonlyMap<number, PlacedSection>;
}

/** Zeros are made only up to here; a map's value that is larger does not load anyway. */
const LARGEST_SECTION = 32 << 20;

export function readGlobals(elf: ElfFile, btf: Btf | undefined, problems: FormatProblem[]): ReadGlobals {
  const placed = new Map<number, PlacedSection>();
  const globals: GlobalVar[] = [];
  const unique = uniqueNames();
  const symbols = symbolsBySection(elf);
  const ends = new Map<GlobalSection, number>();
  const types = variableTypes(btf);
  elf.sections.forEach((section, number) => {
    const kind = sectionKind(section.name, section.type);
    if (!kind || section.size === 0) return;
    const base = Math.ceil((ends.get(kind) ?? 0) / 8) * 8;
    if (base + section.size > LARGEST_SECTION) {
      problems.push({ text: `${clipped(section.name)} has ${section.size} bytes, more than fit into a map` });
      return;
    }
    placed.set(number, { section: kind, base });
    ends.set(kind, base + section.size);
    const content = section.type === SECTION_TYPE.nobits ? new Uint8Array(section.size) : section.data;
    for (const part of parts(symbols.get(number) ?? [], content, section.name)) {
      const known = part.symbol === undefined ? undefined : types.get(`${section.name} ${part.symbol}`);
      const size = part.end - part.start;
      const layout = known && sizeOf(known.layout) === size ? known.layout : byteArray(size);
      globals.push({
        name: unique(part.symbol ?? `${section.name}+${part.start}`),
        section: kind,
        offset: base + part.start,
        layout,
        init: content.slice(part.start, part.end),
        param: kind === ".rodata" && (known?.settable ?? false),
        ...(known && known.kept.length > 0 ? { kept: known.kept } : {}),
      });
    }
  });
  return { globals, placed };
}

function sectionKind(name: string, type: number): GlobalSection | undefined {
  if (type === SECTION_TYPE.nobits) return name === ".bss" || name.startsWith(".bss.") ? ".bss" : undefined;
  if (type !== SECTION_TYPE.progbits) return undefined;
  if (name === ".rodata" || name.startsWith(".rodata.")) return ".rodata";
  return name === ".data" || name.startsWith(".data.") ? ".data" : undefined;
}

interface Part {
  readonly symbol?: string;
  readonly start: number;
  readonly end: number;
}

/** The symbols of a section in order, and what lies between them unless it is padding. */
function parts(all: readonly ElfSymbol[], content: Uint8Array, sectionName: string): Part[] {
  const symbols = all.filter(
    ({ type, value, size }) => type === SYMBOL_TYPE.object && size > 0 && value + size <= content.length,
  );
  const found: Part[] = [];
  let end = 0;
  const gap = (start: number, until: number): void => {
    // Zeros between variables are padding; zeros at the end of a section without symbols are its content.
    const empty = content.subarray(start, until).every((byte) => byte === 0);
    if (start < until && (!empty || symbols.length === 0)) found.push({ start, end: until });
  };
  for (const symbol of symbols) {
    if (symbol.value < end) continue;
    gap(end, symbol.value);
    end = symbol.value + symbol.size;
    found.push({ symbol: symbol.name || `${sectionName}+${symbol.value}`, start: symbol.value, end });
  }
  gap(end, content.length);
  return found;
}

interface KnownVariable {
  readonly layout: Layout;
  /** `const volatile`: the compiler did not take its value for granted, so a loader may change it. */
  readonly settable: boolean;
  readonly kept: readonly KeptPart[];
}
/** By section and name. */
function variableTypes(btf: Btf | undefined): ReadonlyMap<string, KnownVariable> {
  const known = new Map<string, KnownVariable>();
  if (!btf) return known;
  const layoutOf = layoutReader(btf);
  for (const section of btf.types) {
    if (section?.kind !== "datasec") continue;
    for (const entry of section.vars) {
      const variable = btf.types[entry.type];
      if (variable?.kind !== "var") continue;
      const layout = layoutOf(variable.type);
      const settable = isVolatile(btf, variable.type) && variable.linkage === LINKAGE.global;
      const kept = keptParts(btf, variable.type);
      if (layout) known.set(`${section.name} ${variable.name}`, { layout, settable, kept });
    }
  }
  return known;
}

function isVolatile(btf: Btf, id: number): boolean {
  let type = btf.types[id];
  for (let depth = 0; depth < 32; depth++) {
    if (type?.kind === "volatile") return true;
    if (type?.kind === "array") type = btf.types[type.element];
    else if (type?.kind === "const" || type?.kind === "typedef") type = btf.types[type.type];
    else return false;
  }
  return false;
}

const byteArray = (length: number): Layout => ({
  kind: "array",
  of: { kind: "int", bits: 8, signed: false },
  length,
});

/** Static variables of different functions may share a name. */
export function uniqueNames(): (name: string) => string {
  const taken = new Map<string, number>();
  return (name) => {
    let free = name;
    let count = taken.get(name) ?? 1;
    for (; taken.has(free); free = `${name}.${count}`) count++;
    taken.set(name, count);
    if (free !== name) taken.set(free, 1);
    return free;
  };
}
