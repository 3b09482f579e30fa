/**
 * An ELF object as a module: ours, with everything that was written, and clang's, as far as a module can say it.
 * The file may be anything at all; what is wrong with it is told, nothing throws.
 */
import { CLASS, ALU, MODE } from "../bpf/opcodes.ts";
import { programSection } from "../bpf/kinds/index.ts";
import { SLOT_BYTES, type RawInsn } from "../bpf/raw.ts";
import { sizeOf, type Layout } from "../layout.ts";
import type {
  BpfModule,
  BpfProgram,
  CoreRelocation,
  GlobalVar,
  LineEntry,
  MapSpec,
  Relocation,
  StructOps,
} from "../module.ts";
import type { SourceFile } from "../span.ts";
import { printable } from "../printable.ts";
import { isRingType } from "../bpf/map-types.ts";
import { decodeBtf, type Btf } from "./btf.ts";
import { decodeBtfExt, type BtfExt, type LineRecord } from "./btf-ext.ts";
import type { FormatProblem } from "./bytes.ts";
import { readElf, SECTION_TYPE, type ElfFile } from "./elf.ts";
import { kernelInfo, type KernelInfo } from "./kernel-info.ts";
import { codeParts, linker, type Linked } from "./link.ts";
import { METADATA_SECTION } from "./metadata.ts";
import { readGlobals } from "./read-globals.ts";
import { lineSources, type LineSources } from "./read-lines.ts";
import { coreIndex, coreOf } from "./read-core.ts";
import { readStructOps } from "./read-struct-ops.ts";
import { readMaps } from "./read-maps.ts";
import { inOrder, recordsOf } from "./records.ts";
import { readMetadata, type ReadMetadata } from "./read-metadata.ts";

export interface ReadObject {
  /** Absent when the file is no BPF object or is damaged. */
  readonly module?: BpfModule;
  /**
   * Why there is no module; or, with a module, what of the object is not in it: it can be shown, but not loaded.
   */
  readonly problems: readonly FormatProblem[];
  /** BTF as the object has it, and what refers to it; absent where it has none. */
  readonly kernelInfo?: KernelInfo;
}

const SUBPROGRAMS = ".text";

/** Nobody reads more, and a hostile file could have any number. */
const MOST_PROBLEMS = 20;

/** Reads an object. Never throws, whatever the bytes are. */
export function readObject(bytes: Uint8Array): ReadObject {
  const { problems, ...rest } = read(bytes);
  const more = problems.length - MOST_PROBLEMS;
  const told = problems.slice(0, MOST_PROBLEMS).map((problem) => ({ ...problem, text: printable(problem.text) }));
  return { ...rest, problems: more > 0 ? [...told, { text: `and ${more} more problems of this kind` }] : told };
}

function read(bytes: Uint8Array): ReadObject {
  const elf = readElf(bytes);
  if ("problem" in elf) return { problems: [elf.problem] };
  const content = (name: string, type: number = SECTION_TYPE.progbits): Uint8Array | undefined =>
    elf.value.sections.find((section) => section.name === name && section.type === type)?.data;

  const typesSection = content(".BTF");
  const btf = typesSection && decodeBtf(typesSection);
  if (btf && "problem" in btf) return { problems: [btf.problem] };
  const extSection = btf && content(".BTF.ext");
  const ext = extSection && decodeBtfExt(extSection, btf.value.strings);
  if (ext && "problem" in ext) return { problems: [ext.problem] };
  const own = content(METADATA_SECTION, SECTION_TYPE.strtab);
  const metadata = own && readMetadata(own);
  if (metadata && "problem" in metadata) return { problems: [metadata.problem] };

  const problems: FormatProblem[] = [];
  const generic = genericModule(elf.value, btf?.value, ext?.value, problems);
  const info =
    typesSection && btf && ext
      ? kernelInfo(typesSection, btf.value, ext.value, elf.value, generic.linked, problems)
      : undefined;
  if (!metadata) return { module: generic.module, problems, ...(info ? { kernelInfo: info } : {}) };
  const whole = withMetadata(generic.module, metadata.value);
  if ("trouble" in whole)
    return { problems: [...problems, { text: `${METADATA_SECTION} does not fit the object: ${whole.trouble}` }] };
  // Programs are known by their symbols up to here, and in the order of their sections.
  const programs = metadata.value.programs.flatMap(({ name, symbol }) => {
    const found = info?.programs.find((program) => program.name === symbol);
    return found ? [{ ...found, name }] : [];
  });
  return { module: whole.module, problems, ...(info ? { kernelInfo: { ...info, programs } } : {}) };
}

interface Generic {
  readonly module: BpfModule;
  readonly linked: readonly Linked[];
}

/** What every object has, whoever made it. */
function genericModule(
  elf: ElfFile,
  btf: Btf | undefined,
  ext: BtfExt | undefined,
  problems: FormatProblem[],
): Generic {
  const { globals, placed } = readGlobals(elf, btf, problems);
  const maps = btf ? readMaps(btf, problems) : [];
  const mapSections = new Set<number>();
  elf.sections.forEach((section, number) => {
    if (section.name === ".maps" || section.name === "maps") mapSections.add(number);
    if (section.name === "maps" || section.name.startsWith("maps/"))
      problems.push({ text: "section maps: maps in libbpf's old form; define them in .maps" });
    if (section.name === ".maps" && !btf)
      problems.push({ text: ".maps: no .BTF says what the maps are; compile with -g" });
    if (section.name === ".relmaps" || section.name === ".rel.maps")
      problems.push({ text: `${section.name}: maps that hold maps or programs are not supported` });
  });

  const parts = codeParts(elf);
  const entries = [...parts.values()].flat().filter((part) => elf.sections[part.section]!.name !== SUBPROGRAMS);
  // An object of plain functions has nothing but .text.
  const programs = entries.length > 0 ? entries : [...parts.values()].flat();
  const structOps = readStructOps(elf, btf, problems);
  const kernelFunctions = btf ? functionsWanted(btf) : new Set<string>();
  const { link } = linker(elf, parts, { globals: placed, mapSections, kernelFunctions }, problems);
  const linked = programs.flatMap((part) => link(part) ?? []);
  const lines = ext && btf ? lineSources([...ext.lines.values()].flat(), btf.strings) : undefined;
  const records = lineIndex(elf, ext);
  const core = coreIndex(elf, ext);
  return {
    linked,
    module: {
      license: license(elf),
      target: "unknown",
      needs: [],
      maps,
      globals,
      programs: withMembers(
        linked.map((each) => withFacts(program(each, elf, lines, records), coreOf(each, core, btf))),
        structOps,
      ),
      ...(structOps.length > 0 ? { structOps } : {}),
      sources: lines?.sources ?? [],
    },
  };
}

const withFacts = (one: BpfProgram, core: readonly CoreRelocation[]): BpfProgram =>
  core.length > 0 ? { ...one, core } : one;

/** Functions of the kernel that the BTF describes in `.ksyms`. */
function functionsWanted(btf: Btf): ReadonlySet<string> {
  const section = btf.types.find((type) => type?.kind === "datasec" && type.name === ".ksyms");
  if (section?.kind !== "datasec") return new Set();
  return new Set(
    section.vars.flatMap(({ type }) => {
      const found = btf.types[type];
      return found?.kind === "func" ? [found.name] : [];
    }),
  );
}

/** The programs, each with the member that it is of one of the structs. */
function withMembers(programs: readonly BpfProgram[], structOps: readonly StructOps[]): BpfProgram[] {
  const members = new Map(
    structOps.flatMap(({ struct, programs: own }) =>
      Object.entries(own).map(([member, program]) => [program, { struct, member }] as const),
    ),
  );
  return programs.map((one) => {
    const found = members.get(one.name);
    return found ? { ...one, implements: found } : one;
  });
}

function license(elf: ElfFile): string {
  const section = elf.sections.find(({ name, type }) => name === "license" && type === SECTION_TYPE.progbits);
  if (!section) return "";
  const end = section.data.indexOf(0);
  return new TextDecoder().decode(section.data.subarray(0, Math.min(end < 0 ? section.data.length : end, 128)));
}

/** Line records by section number, in the order of their offsets. */
function lineIndex(elf: ElfFile, ext: BtfExt | undefined): ReadonlyMap<number, readonly LineRecord[]> {
  const index = new Map<number, readonly LineRecord[]>();
  if (!ext) return index;
  const claimed = new Set<string>();
  elf.sections.forEach((section, number) => {
    const records = section.type === SECTION_TYPE.progbits ? ext.lines.get(section.name) : undefined;
    // Two sections of one name would both claim the records, and a hostile file may have thousands.
    if (!records || claimed.has(section.name)) return;
    claimed.add(section.name);
    index.set(number, inOrder(records));
  });
  return index;
}

function program(
  linked: Linked,
  elf: ElfFile,
  lines: LineSources | undefined,
  records: ReadonlyMap<number, readonly LineRecord[]>,
): BpfProgram {
  const { entry, insns, relocations, functions, externs } = linked;
  const section = elf.sections[entry.section]!.name;
  const rule = programSection(section);
  const entriesOf = linked.pieces.flatMap(({ part, slot }) =>
    recordsOf(records.get(part.section) ?? [], part).flatMap((record): LineEntry[] => {
      const span = lines?.span(record);
      return span ? [{ slot: slot + record.offset / SLOT_BYTES - part.start, span }] : [];
    }),
  );
  return {
    name: entry.name,
    section,
    type: rule?.type ?? "unspec",
    attachType: rule?.attach ?? 0,
    insns,
    relocations,
    lines: entriesOf,
    functions,
    ...(externs.length > 0 ? { externs } : {}),
    stack: stackBytes(insns),
  };
}

/** Bytes below r10 that instructions name: what a compiler has reserved, where it shows. */
function stackBytes(insns: readonly RawInsn[]): number {
  let deepest = 0;
  const frame = new Set<number>();
  for (const insn of insns) {
    const kind = insn.code & 7;
    const memory = (insn.code & 0xe0) === MODE.mem || (insn.code & 0xe0) === MODE.atomic;
    if (kind === CLASS.ldx && memory && insn.src === 10) deepest = Math.max(deepest, -insn.off);
    if ((kind === CLASS.st || kind === CLASS.stx) && memory && insn.dst === 10) deepest = Math.max(deepest, -insn.off);
    if (kind !== CLASS.alu64) continue;
    if (insn.code === (CLASS.alu64 | ALU.mov.code | 0x08) && insn.src === 10) frame.add(insn.dst);
    else {
      if (insn.code === (CLASS.alu64 | ALU.add.code) && frame.has(insn.dst)) deepest = Math.max(deepest, -insn.imm);
      frame.delete(insn.dst);
    }
  }
  return Math.ceil(deepest / 8) * 8;
}

/** What only the section .tsbpf knows of a struct of functions. */
const rowOf = (row: ReadMetadata["structOps"][number] | undefined): Partial<StructOps> =>
  row ? { name: row.name, ...(row.state ? { state: row.state } : {}), ...(row.span ? { span: row.span } : {}) } : {};

type Whole = { readonly module: BpfModule } | { readonly trouble: string };

/** Puts back what only the section .tsbpf knows; both must speak of the same symbols and sizes. */
function withMetadata(module: BpfModule, metadata: ReadMetadata): Whole {
  const bySymbol = <T extends { readonly name: string }>(all: readonly T[]): ReadonlyMap<string, T> =>
    new Map(all.map((each) => [each.name, each]));
  const maps = bySymbol(module.maps);
  const globals = bySymbol(module.globals);
  const programs = bySymbol(module.programs);
  const nameOfMap = new Map(metadata.maps.map((map) => [map.symbol, map.name]));
  for (const [what, has, wants] of [
    ["maps", module.maps, metadata.maps],
    ["variables", module.globals, metadata.globals],
    ["programs", module.programs, metadata.programs],
    ["structs of functions", module.structOps ?? [], metadata.structOps],
  ] as const)
    if (has.length !== wants.length) return { trouble: `${has.length} ${what}, not ${wants.length}` };

  const size = (layout: Layout | undefined): number => (layout ? sizeOf(layout) : 0);
  const ownMaps: MapSpec[] = [];
  for (const row of metadata.maps) {
    const found = maps.get(row.symbol);
    if (!found) return { trouble: `there is no map ${row.symbol}` };
    // The kernel knows no value of a ring buffer, so BTF has none.
    const ring = isRingType(found.type);
    if (size(found.key) !== size(row.key) || (!ring && size(found.value) !== size(row.value)))
      return { trouble: `map ${row.name} has keys or values of another size` };
    if (row.initial.some(({ key, value }) => key.length !== size(row.key) || value.length !== size(row.value)))
      return { trouble: `map ${row.name} has initial values of another size` };
    const { type, maxEntries, flags, pinned, metric } = found;
    const { name, key, value, initial, span } = row;
    ownMaps.push({
      name,
      type,
      ...(key ? { key } : {}),
      ...(value ? { value } : {}),
      maxEntries,
      flags,
      pinned,
      initial,
      ...(metric ? { metric } : {}),
      ...(span ? { span } : {}),
    });
  }

  const ownGlobals: GlobalVar[] = [];
  for (const row of metadata.globals) {
    const found = globals.get(row.symbol);
    if (!found || found.section !== row.section)
      return { trouble: `there is no variable ${row.symbol} in ${row.section}` };
    if (found.init.length !== sizeOf(row.layout)) return { trouble: `variable ${row.name} has another size` };
    const { name, section, layout, param, span } = row;
    ownGlobals.push({
      name,
      section,
      offset: found.offset,
      layout,
      init: found.init,
      param,
      ...(span ? { span } : {}),
    });
  }

  const ownPrograms: BpfProgram[] = [];
  for (const row of metadata.programs) {
    const found = programs.get(row.symbol);
    if (!found) return { trouble: `there is no program ${row.symbol}` };
    const { section, insns } = found;
    const { name, type, attachType, stack, functions, lines, span } = row;
    if (found.functions.map(({ slot }) => slot).join() !== functions.map(({ slot }) => slot).join())
      return { trouble: `program ${name} has functions at other places` };
    if ((lines.at(-1)?.slot ?? 0) >= insns.length) return { trouble: `program ${name} is shorter than its lines` };
    const relocations = found.relocations.map((relocation): Relocation =>
      relocation.kind === "map" ? { ...relocation, map: nameOfMap.get(relocation.map) ?? relocation.map } : relocation,
    );
    ownPrograms.push({
      name,
      section,
      type,
      attachType,
      insns,
      relocations,
      lines,
      functions,
      ...(found.externs ? { externs: found.externs } : {}),
      ...(found.core ? { core: found.core } : {}),
      ...(found.implements ? { implements: found.implements } : {}),
      stack,
      ...(span ? { span } : {}),
    });
  }
  const nameOfProgram = new Map(metadata.programs.map((row) => [row.symbol, row.name]));
  const rows = new Map(metadata.structOps.map((row) => [row.symbol, row]));
  const named = (one: StructOps): StructOps => ({
    ...one,
    ...rowOf(rows.get(one.name)),
    programs: Object.fromEntries(
      Object.entries(one.programs).map(([member, symbol]) => [member, nameOfProgram.get(symbol) ?? symbol]),
    ),
  });
  const sources: readonly SourceFile[] = metadata.sources;
  return {
    module: {
      license: module.license,
      target: metadata.target,
      ...(metadata.kernel === undefined ? {} : { kernel: metadata.kernel }),
      needs: metadata.needs,
      maps: ownMaps,
      globals: ownGlobals,
      programs: ownPrograms,
      ...(module.structOps ? { structOps: module.structOps.map(named) } : {}),
      sources,
    },
  };
}
