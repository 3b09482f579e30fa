/**
 * ELF64 little-endian relocatable files for the BPF machine: sections, symbols and relocations in, bytes out, and back.
 * The format is the System V ABI's; the relocation types are LLVM's (llvm/docs and Documentation/bpf/llvm_reloc.rst).
 */
import { byteWriter, clipped, stringAt, stringTable, viewOf, type FormatProblem, type Parsed } from "./bytes.ts";

export const ELF = {
  relocatable: 1,
  machineBpf: 247,
  headerBytes: 64,
  sectionHeaderBytes: 64,
  symbolBytes: 24,
  relBytes: 16,
} as const;
export const SECTION_TYPE = { null: 0, progbits: 1, symtab: 2, strtab: 3, rela: 4, nobits: 8, rel: 9 } as const;
export const SECTION_FLAG = { write: 1, alloc: 2, exec: 4, info: 0x40 } as const;
export const SYMBOL_TYPE = { none: 0, object: 1, func: 2, section: 3, file: 4 } as const;
export const SYMBOL_BINDING = { local: 0, global: 1, weak: 2 } as const;
/** `64_64`: a 64-bit immediate of `lddw`; `64_32`: the immediate of a call; the others: data and debug information. */
export const RELOCATION = { "64_64": 1, "64_abs64": 2, "64_abs32": 3, "64_nodyld32": 4, "64_32": 10 } as const;

export interface ElfSection {
  readonly name: string;
  readonly type: number;
  readonly flags: number;
  readonly align: number;
  /** Content; empty for NOBITS. */
  readonly data: Uint8Array;
  /** In bytes; that of `data` except for NOBITS. */
  readonly size: number;
  readonly link: number;
  readonly info: number;
  readonly entryBytes: number;
}
export interface ElfSymbol {
  readonly name: string;
  readonly value: number;
  readonly size: number;
  readonly type: number;
  readonly binding: number;
  /** Index of the section that it lies in; 0: undefined, 0xfff1: absolute. */
  readonly section: number;
}
export interface ElfRelocation {
  /** In bytes from the start of the section that it changes. */
  readonly offset: number;
  readonly type: number;
  /** Index into the symbols. */
  readonly symbol: number;
}
export interface ElfFile {
  /** By section number; entry 0 is the null section. */
  readonly sections: readonly ElfSection[];
  readonly symbols: readonly ElfSymbol[];
  /** By number of the section that they change. */
  readonly relocations: ReadonlyMap<number, readonly ElfRelocation[]>;
}

/** The symbols of each section, by its number, in the order of their addresses. */
export function symbolsBySection(elf: ElfFile): ReadonlyMap<number, readonly ElfSymbol[]> {
  const found = new Map<number, ElfSymbol[]>();
  for (const symbol of elf.symbols) {
    const list = found.get(symbol.section);
    if (list) list.push(symbol);
    else found.set(symbol.section, [symbol]);
  }
  for (const list of found.values()) list.sort((left, right) => left.value - right.value || left.size - right.size);
  return found;
}

/** What the writer needs of a section; its relocations name symbols by index in the list of symbols. */
export interface NewSection {
  readonly name: string;
  readonly type: number;
  readonly flags: number;
  readonly align: number;
  readonly data: Uint8Array;
  /** Only for NOBITS. */
  readonly size?: number;
  readonly relocations?: readonly ElfRelocation[];
}
/** A symbol of a new file: `section` counts the new sections from 0. */
export type NewSymbol = Omit<ElfSymbol, "section"> & { readonly section: number };

/**
 * Writes an object of the given sections, each followed by its `.rel` section, then the string and symbol tables.
 * Local symbols must come before global ones, as the ABI demands; a RangeError says so otherwise.
 */
export function writeElf(sections: readonly NewSection[], symbols: readonly NewSymbol[]): Uint8Array {
  const firstGlobal = symbols.findIndex((symbol) => symbol.binding !== SYMBOL_BINDING.local);
  const locals = firstGlobal < 0 ? symbols.length : firstGlobal;
  if (symbols.slice(locals).some((symbol) => symbol.binding === SYMBOL_BINDING.local))
    throw new RangeError("local symbols must come before global symbols");

  // Section numbers: null, .strtab, then every section with its relocations behind it, .symtab last.
  const numbers: number[] = [];
  let count = 2;
  for (const section of sections) {
    numbers.push(count);
    count += section.relocations?.length ? 2 : 1;
  }
  const symtabNumber = count;

  const strings = stringTable();
  const all: ElfSection[] = [];
  const add = (section: Omit<ElfSection, "size"> & { readonly size?: number }): void => {
    strings.offset(section.name);
    all.push({ ...section, size: section.size ?? section.data.length });
  };
  const plain = { link: 0, info: 0, entryBytes: 0 } as const;
  sections.forEach((section, index) => {
    add({ ...plain, ...section });
    if (!section.relocations?.length) return;
    const out = byteWriter();
    for (const relocation of section.relocations) {
      out.u64(relocation.offset);
      // Symbol 0 is the null symbol of the table, so ours start at 1.
      out.u64((BigInt(relocation.symbol + 1) << 32n) | BigInt(relocation.type));
    }
    add({
      name: `.rel${section.name}`,
      type: SECTION_TYPE.rel,
      flags: SECTION_FLAG.info,
      align: 8,
      data: out.finish(),
      link: symtabNumber,
      info: numbers[index]!,
      entryBytes: ELF.relBytes,
    });
  });

  const table = byteWriter();
  table.bytes(new Uint8Array(ELF.symbolBytes));
  for (const symbol of symbols) {
    table.u32(strings.offset(symbol.name));
    table.u8((symbol.binding << 4) | symbol.type);
    table.u8(0);
    table.u16(numbers[symbol.section] ?? 0);
    table.u64(symbol.value);
    table.u64(symbol.size);
  }
  add({
    name: ".symtab",
    type: SECTION_TYPE.symtab,
    flags: 0,
    align: 8,
    data: table.finish(),
    link: 1,
    info: locals + 1,
    entryBytes: ELF.symbolBytes,
  });
  strings.offset(".strtab");
  const strtab: ElfSection = {
    ...plain,
    name: ".strtab",
    type: SECTION_TYPE.strtab,
    flags: 0,
    align: 1,
    data: strings.finish(),
    size: strings.finish().length,
  };

  const body = byteWriter();
  const offsets = [strtab, ...all].map((section) => {
    // File offsets count from the start of the file, the body starts behind the header, which keeps 8-byte alignment.
    body.pad(section.align);
    const at = ELF.headerBytes + body.length();
    body.bytes(section.data);
    return at;
  });
  body.pad(8);
  const headersAt = ELF.headerBytes + body.length();

  const out = byteWriter();
  out.bytes(Uint8Array.of(0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0));
  out.u64(0);
  out.u16(ELF.relocatable);
  out.u16(ELF.machineBpf);
  out.u32(1);
  out.u64(0);
  out.u64(0);
  out.u64(headersAt);
  out.u32(0);
  out.u16(ELF.headerBytes);
  out.u16(0);
  out.u16(0);
  out.u16(ELF.sectionHeaderBytes);
  out.u16(symtabNumber + 1);
  out.u16(1);
  out.bytes(body.finish());
  out.bytes(new Uint8Array(ELF.sectionHeaderBytes));
  [strtab, ...all].forEach((section, index) => {
    out.u32(strings.offset(section.name));
    out.u32(section.type);
    out.u64(section.flags);
    out.u64(0);
    out.u64(offsets[index]!);
    out.u64(section.size);
    out.u32(section.link);
    out.u32(section.info);
    out.u64(section.align);
    out.u64(section.entryBytes);
  });
  return out.finish();
}

/** Reads an object; every table is checked against the file's length before anything is made of it. */
export function readElf(bytes: Uint8Array): Parsed<ElfFile> {
  const fail = (text: string, offset?: number): { readonly problem: FormatProblem } => ({
    problem: { text, ...(offset === undefined ? {} : { offset }) },
  });
  if (bytes.length < 4 || bytes[0] !== 0x7f || bytes[1] !== 0x45 || bytes[2] !== 0x4c || bytes[3] !== 0x46)
    return fail(bytes.length === 0 ? "the file is empty" : "not an ELF file", 0);
  if (bytes.length < ELF.headerBytes) return fail(`the ELF header is cut off: ${bytes.length} of 64 bytes`, 0);
  const view = viewOf(bytes);
  if (bytes[4] !== 2) return fail("a 32-bit ELF file; BPF objects are 64-bit", 4);
  if (bytes[5] !== 1) return fail("a big-endian object; compile for bpfel (little-endian)", 5);
  const machine = view.getUint16(18, true);
  if (machine !== ELF.machineBpf)
    return fail(`made for ELF machine ${machine}, not for BPF (247): compile with -target bpf`, 18);
  if (view.getUint16(16, true) !== ELF.relocatable) return fail("not a relocatable object (ET_REL)", 16);

  const size64 = (at: number): number => Number(view.getBigUint64(at, true));
  const headersAt = size64(40);
  const headerBytes = view.getUint16(58, true);
  const count = view.getUint16(60, true);
  const namesNumber = view.getUint16(62, true);
  if (headerBytes !== ELF.sectionHeaderBytes) return fail(`section headers of ${headerBytes} bytes, not 64`, 58);
  if (count === 0) return fail("the object has no sections", 60);
  if (headersAt > bytes.length || count * headerBytes > bytes.length - headersAt)
    return fail(`the ${count} section headers end behind the file's ${bytes.length} bytes`, 40);
  if (namesNumber >= count) return fail(`the section names are in section ${namesNumber} of ${count}`, 62);

  const content = (number: number): Parsed<Uint8Array> => {
    const at = headersAt + number * headerBytes;
    if (view.getUint32(at + 4, true) === SECTION_TYPE.nobits) return { value: new Uint8Array() };
    const offset = size64(at + 24);
    const size = size64(at + 32);
    if (size > 0 && (offset > bytes.length || size > bytes.length - offset))
      return fail(`section ${number} ends behind the file: ${size} bytes from ${offset} on`, at + 24);
    return { value: size === 0 ? new Uint8Array() : bytes.subarray(offset, offset + size) };
  };
  const names = content(namesNumber);
  if ("problem" in names) return names;

  const sections: ElfSection[] = [];
  let held = 0;
  for (let number = 0; number < count; number++) {
    const at = headersAt + number * headerBytes;
    const name = number === 0 ? "" : stringAt(names.value, view.getUint32(at, true));
    if (name === undefined) return fail(`the name of section ${number} lies outside the string table`, at);
    const data = number === 0 ? { value: new Uint8Array() } : content(number);
    if ("problem" in data) return data;
    // Sections of a real object share no bytes; in a hostile one a small file could stand for gigabytes.
    held += data.value.length;
    if (held > bytes.length) return fail(`section ${number} overlaps others`, at);
    sections.push({
      name,
      type: view.getUint32(at + 4, true),
      flags: size64(at + 8),
      size: number === 0 ? 0 : size64(at + 32),
      data: data.value,
      link: view.getUint32(at + 40, true),
      info: view.getUint32(at + 44, true),
      align: size64(at + 48),
      entryBytes: size64(at + 56),
    });
  }

  const symbols = readSymbols(sections);
  if ("problem" in symbols) return symbols;
  const relocations = new Map<number, ElfRelocation[]>();
  for (const section of sections) {
    if (section.type === SECTION_TYPE.rela)
      return fail(`${clipped(section.name)}: relocations with addends (RELA); BPF objects have REL`);
    if (section.type !== SECTION_TYPE.rel) continue;
    if (section.info >= count) return fail(`${clipped(section.name)} changes section ${section.info} of ${count}`);
    if (section.data.length % ELF.relBytes !== 0)
      return fail(
        `${clipped(section.name)}: ${section.data.length} bytes are not a whole number of 16-byte relocations`,
      );
    const read = readRelocations(section, symbols.value.length);
    if ("problem" in read) return read;
    const before = relocations.get(section.info);
    if (before) for (const relocation of read.value) before.push(relocation);
    else relocations.set(section.info, read.value);
  }
  return { value: { sections, symbols: symbols.value, relocations } };
}

function readSymbols(sections: readonly ElfSection[]): Parsed<ElfSymbol[]> {
  const table = sections.find((section) => section.type === SECTION_TYPE.symtab);
  if (!table) return { value: [] };
  if (table.data.length % ELF.symbolBytes !== 0)
    return {
      problem: { text: `${clipped(table.name)}: ${table.data.length} bytes are not a whole number of 24-byte symbols` },
    };
  const strings = sections[table.link]?.data ?? new Uint8Array();
  const view = viewOf(table.data);
  const symbols: ElfSymbol[] = [];
  for (let at = 0; at < table.data.length; at += ELF.symbolBytes) {
    const nameAt = view.getUint32(at, true);
    const name = nameAt === 0 ? "" : stringAt(strings, nameAt);
    if (name === undefined)
      return {
        problem: { text: `${clipped(table.name)}: the name of a symbol lies outside the string table`, offset: at },
      };
    const info = view.getUint8(at + 4);
    symbols.push({
      name,
      value: Number(view.getBigUint64(at + 8, true)),
      size: Number(view.getBigUint64(at + 16, true)),
      type: info & 0xf,
      binding: info >> 4,
      section: view.getUint16(at + 6, true),
    });
  }
  return { value: symbols };
}

function readRelocations(section: ElfSection, symbols: number): Parsed<ElfRelocation[]> {
  const view = viewOf(section.data);
  const relocations: ElfRelocation[] = [];
  for (let at = 0; at < section.data.length; at += ELF.relBytes) {
    const symbol = view.getUint32(at + 12, true);
    if (symbol >= symbols)
      return {
        problem: { text: `${clipped(section.name)}: a relocation names symbol ${symbol} of ${symbols}`, offset: at },
      };
    relocations.push({ offset: Number(view.getBigUint64(at, true)), type: view.getUint32(at + 8, true), symbol });
  }
  return { value: relocations };
}
