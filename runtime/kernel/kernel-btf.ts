/**
 * The BTF that the loader hands to the kernel: types of map keys and values, variables of the global sections, and for
 * every program which function starts where and which source line each instruction comes from. It is made anew from the
 * module, so that what clang or libbpf left open (sizes of data sections, externs) cannot make the kernel refuse it.
 */
import { kindOf } from "../../compiler/bpf/kinds/index.ts";
import { sizeOf } from "../../compiler/layout.ts";
import type { BpfModule, BpfProgram, GlobalSection } from "../../compiler/module.ts";
import { LINKAGE, btfBuilder, type BtfBuilder } from "../../compiler/object/btf.ts";
import { writeFunc, writeLine } from "../../compiler/object/btf-ext.ts";
import { byteWriter } from "../../compiler/object/bytes.ts";
import { identifier, intType, layoutType } from "../../compiler/object/layout-types.ts";
import { placeFinder, portablePaths } from "../../compiler/object/lines.ts";
import { RING_MAPS } from "../../compiler/bpf/map-types.ts";

export interface TypeIds {
  readonly key: number;
  readonly value: number;
}
export interface DebugInfo {
  /** Records of 8 bytes (struct bpf_func_info) and of 16 (struct bpf_line_info); offsets count instructions. */
  readonly functions: Uint8Array;
  readonly lines: Uint8Array;
  readonly functionCount: number;
  readonly lineCount: number;
}
export interface KernelBtf {
  readonly blob: Uint8Array;
  readonly maps: ReadonlyMap<string, TypeIds>;
  /** DATASEC ids. */
  readonly sections: ReadonlyMap<GlobalSection, number>;
  readonly programs: ReadonlyMap<string, DebugInfo>;
}

export const SECTIONS = [".rodata", ".data", ".bss"] as const satisfies readonly GlobalSection[];

/** Name of the typedef for the records of a ring buffer. */
export const ringTypedef = (map: string): string => identifier(`tsbpf_ring_${map}`);

/** Bytes of a global section: up to the end of its last variable, in whole 8-byte words. */
export function sectionSize(module: BpfModule, section: GlobalSection): number {
  return Math.ceil(sectionEnd(module, section) / 8) * 8;
}

/** Where the last variable of a global section ends. */
export function sectionEnd(module: BpfModule, section: GlobalSection): number {
  const own = module.globals.filter((global) => global.section === section);
  return own.reduce((end, global) => Math.max(end, global.offset + sizeOf(global.layout)), 0);
}

export function kernelBtf(module: BpfModule): KernelBtf {
  const btf = btfBuilder();
  const maps = new Map<string, TypeIds>();
  for (const map of module.maps) {
    if (!map.value) continue;
    if (RING_MAPS.has(map.type)) {
      // The kernel keeps no types with a ring buffer; a typedef among its program's types is where readers find them.
      btf.add({ kind: "typedef", name: ringTypedef(map.name), type: layoutType(btf, map.value) });
      continue;
    }
    const key = map.key ? layoutType(btf, map.key) : intType(btf);
    maps.set(map.name, { key, value: layoutType(btf, map.value) });
  }
  const sections = new Map<GlobalSection, number>();
  for (const section of SECTIONS) {
    const size = sectionSize(module, section);
    if (size > 0) sections.set(section, dataSection(btf, module, section, size));
  }
  const programs = new Map(module.programs.map((program) => [program.name, debugInfo(btf, module, program)]));
  return { blob: btf.finish(), maps, sections, programs };
}

function dataSection(btf: BtfBuilder, module: BpfModule, section: GlobalSection, size: number): number {
  const vars = module.globals
    .filter((global) => global.section === section && sizeOf(global.layout) > 0)
    .toSorted((a, b) => a.offset - b.offset)
    .map((global) => {
      const type = layoutType(btf, global.layout);
      // The kernel wants a variable's name to be unique in nothing but form.
      const variable = btf.add({ kind: "var", name: identifier(global.name), type, linkage: LINKAGE.global });
      return { type: variable, offset: global.offset, size: sizeOf(global.layout) };
    });
  return btf.add({ kind: "datasec", name: section, size, vars });
}

function debugInfo(btf: BtfBuilder, module: BpfModule, program: BpfProgram): DebugInfo {
  const int = intType(btf);
  // The verifier knows the context by its struct's name (btf_is_prog_ctx_type in kernel/bpf/btf.c).
  const row = kindOf(program.type);
  const pointee = row?.context ? btf.add({ kind: "struct", name: row.context, size: 0, members: [] }) : 0;
  const context = btf.add({ kind: "ptr", type: pointee });
  const proto = btf.add({ kind: "func_proto", returns: int, params: [{ name: "ctx", type: context }] });
  const entries = program.functions.length > 0 ? program.functions : [{ name: program.name, slot: 0 }];
  const functions = byteWriter();
  entries.forEach((entry, index) => {
    // Static subprograms are checked in the context of their callers; only the entry point stands for itself.
    const linkage = index === 0 ? LINKAGE.global : LINKAGE.static;
    const type = btf.add({ kind: "func", name: identifier(entry.name), type: proto, linkage });
    writeFunc(functions, { offset: entry.slot, type });
  });

  const place = placeFinder(module.sources);
  const paths = portablePaths(module.sources);
  const lines = byteWriter();
  let last = -1;
  let count = 0;
  // The kernel wants offsets to grow and every function to start with a line (check_btf_line in kernel/bpf/verifier.c).
  const starts = new Set(entries.map((entry) => entry.slot));
  for (const line of program.lines) {
    const at = place(line.span);
    if (!at || line.slot <= last || line.slot >= program.insns.length) continue;
    last = line.slot;
    count++;
    starts.delete(line.slot);
    writeLine(lines, {
      offset: line.slot,
      file: btf.strings.offset(paths[line.span.file] ?? at.path),
      text: btf.strings.offset(at.text.trim()),
      line: at.line,
      column: at.column,
    });
  }
  const complete = starts.size === 0;
  return {
    functions: functions.finish(),
    functionCount: entries.length,
    lines: complete ? lines.finish() : new Uint8Array(),
    lineCount: complete ? count : 0,
  };
}
