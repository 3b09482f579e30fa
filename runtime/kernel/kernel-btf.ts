/**
 * The BTF that the loader hands to the kernel: types of map keys and values, variables of the global sections, and for
 * every program which function starts where and which source line each instruction comes from. It is made anew from the
 * module, so that what clang or libbpf left open (sizes of data sections, externs) cannot make the kernel refuse it. What it says of
 * functions, variables and lines is the object writer's (compiler/object/describe.ts).
 */
import { sizeOf } from "../../compiler/layout.ts";
import type { BpfModule, BpfProgram, GlobalSection } from "../../compiler/module.ts";
import { btfBuilder, type BtfBuilder } from "../../compiler/object/btf.ts";
import { writeFunc, writeLine } from "../../compiler/object/btf-ext.ts";
import { byteWriter } from "../../compiler/object/bytes.ts";
import {
  functionBounds,
  functionType,
  isRing,
  lineWriter,
  sectionType,
  type LineWriter,
} from "../../compiler/object/describe.ts";
import { writeMetric } from "../../compiler/object/metrics.ts";
import { identifier, intType, layoutType } from "../../compiler/object/layout-types.ts";

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
    writeMetric(btf, map.name, map);
    if (!map.value) continue;
    if (isRing(map)) {
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
    const type = size > 0 ? dataSection(btf, module, section, size) : undefined;
    if (type !== undefined) sections.set(section, type);
  }
  const lines = lineWriter(btf, module);
  const programs = new Map(module.programs.map((program) => [program.name, debugInfo(btf, program, lines)]));
  return { blob: btf.finish(), maps, sections, programs };
}

function dataSection(btf: BtfBuilder, module: BpfModule, section: GlobalSection, size: number): number | undefined {
  const variables = module.globals
    .filter((global) => global.section === section && sizeOf(global.layout) > 0)
    .map(({ name, offset, layout }) => ({
      symbol: identifier(name),
      at: offset,
      size: sizeOf(layout),
      type: () => layoutType(btf, layout),
    }));
  return sectionType(btf, section, size, variables);
}

function debugInfo(btf: BtfBuilder, program: BpfProgram, linesOf: LineWriter): DebugInfo {
  const bounds = functionBounds(program);
  const functions = byteWriter();
  const lines = byteWriter();
  let count = 0;
  let complete = true;
  bounds.forEach((bound, position) => {
    writeFunc(functions, {
      offset: bound.start,
      type: functionType(btf, program, position, identifier(position === 0 ? program.name : bound.name)),
    });
    const records = linesOf(program, bound);
    complete &&= records.length > 0;
    count += records.length;
    for (const record of records) writeLine(lines, record);
  });
  return {
    functions: functions.finish(),
    functionCount: bounds.length,
    // The kernel wants every function to start with a line, or none (check_btf_line in kernel/bpf/verifier.c).
    lines: complete ? lines.finish() : new Uint8Array(),
    lineCount: complete ? count : 0,
  };
}
