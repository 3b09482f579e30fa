/**
 * What BTF says of a module's code and variables: the types of functions, the sections of variables, and the line that each
 * instruction comes from. The object writer and the loader both ask here, so that the kernel is told the same by either way.
 */
import { kindOf } from "../bpf/kinds/index.ts";
import { isRingType } from "../bpf/map-types.ts";
import type { BpfModule, BpfProgram, MapSpec } from "../module.ts";
import type { Span } from "../span.ts";
import { LINKAGE, type BtfBuilder } from "./btf.ts";
import type { LineRecord } from "./btf-ext.ts";
import { identifier, intType, layoutType } from "./layout-types.ts";
import { placeFinder, portablePaths } from "./lines.ts";

/** Kernels take no longer line of source than a page, and people read none. */
const LINE_TEXT_LIMIT = 400;

export interface FunctionBound {
  readonly name: string;
  /** Slots [start, end) of the program. */
  readonly start: number;
  readonly end: number;
}
/** The functions of a program, the entry first. */
export function functionBounds(program: BpfProgram): FunctionBound[] {
  const entries = program.functions.length > 0 ? program.functions : [{ name: program.name, slot: 0 }];
  return entries.map(({ name, slot }, index) => ({
    name,
    start: slot,
    end: entries[index + 1]?.slot ?? program.insns.length,
  }));
}

/**
 * The type of one function of a program, by its place in `functionBounds`: `int name(struct context *ctx)` of the entry, and its signature of what it calls. `name` is a C identifier. Static functions are checked with their callers;
 * only the entry stands for itself.
 */
export function functionType(btf: BtfBuilder, program: BpfProgram, position: number, name: string): number {
  const entry = position === 0;
  const signature = program.functions[position]?.signature;
  const params = entry
    ? [{ name: "ctx", type: contextType(btf, program.type) }]
    : (signature?.params ?? []).map((param) => ({ name: identifier(param.name), type: valueType(btf, param.type) }));
  const returns = entry || !signature ? intType(btf) : signature.returns ? valueType(btf, signature.returns) : 0;
  const proto = btf.add({ kind: "func_proto", returns, params });
  return btf.add({ kind: "func", name, type: proto, linkage: entry ? LINKAGE.global : LINKAGE.static });
}

/** A parameter or result, of a type of the IR: numbers by their width, pointers to what has a name in the kernel. */
function valueType(btf: BtfBuilder, type: string): number {
  const number = { w32: 32, w64: 64 }[type];
  if (number === 32 || number === 64) return layoutType(btf, { kind: "int", bits: number, signed: false });
  const [, context, name] = /^ptr (?:ctx\((.*)\)|(?:trusted|struct)\((.*)\))$/.exec(type) ?? [];
  if (context !== undefined) return contextType(btf, context);
  const pointee = name === undefined ? 0 : btf.add({ kind: "struct", name: identifier(name), size: 0, members: [] });
  return btf.add({ kind: "ptr", type: pointee });
}

/** The kernel knows the context by the name of its struct, and grumbles in its log about a forward declaration. */
function contextType(btf: BtfBuilder, programType: string): number {
  const context = kindOf(programType)?.context;
  return btf.add({
    kind: "ptr",
    type: context ? btf.add({ kind: "struct", name: context, size: 0, members: [] }) : 0,
  });
}

/** Whether the kernel keeps no types with a map: the layout of a ring buffer's records is for readers alone. */
export const isRing = (map: MapSpec): boolean => isRingType(map.type);

/** Variables of a section, as BTF tells them: in the order of their offsets, in bytes. Nothing where there are none. */
export function sectionType(
  btf: BtfBuilder,
  name: string,
  size: number,
  variables: readonly {
    readonly symbol: string;
    readonly at: number;
    readonly size: number;
    readonly type: () => number;
  }[],
): number | undefined {
  const vars = variables
    .map(({ symbol, at, size, type }) => ({
      type: btf.add({ kind: "var", name: symbol, type: type(), linkage: LINKAGE.global }),
      offset: at,
      size,
    }))
    .sort((left, right) => left.offset - right.offset);
  return vars.length > 0 ? btf.add({ kind: "datasec", name, size, vars }) : undefined;
}

/** Line records of a function, offsets in slots of the program. */
export type LineWriter = (program: BpfProgram, bound: FunctionBound) => readonly LineRecord[];

/**
 * Lines of the functions of a module: one record wherever the place changes, and one at the first slot whatever happens,
 * because kernels refuse a function that starts without a line when others have theirs. None where no source is known.
 */
export function lineWriter(btf: BtfBuilder, module: BpfModule): LineWriter {
  const place = placeFinder(module.sources);
  const paths = portablePaths(module.sources);
  const record = (span: Span, offset: number): LineRecord | undefined => {
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
  return (program, bound) => {
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
  };
}
