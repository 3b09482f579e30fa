/**
 * The section `.tsbpf`: what ELF and BTF have no place for, as JSON in UTF-8 (`llvm-readelf -p .tsbpf` shows it).
 * Loaders other than ours ignore it.
 * Instructions, initial bytes of variables and relocations are never taken from here.
 */
import type { Layout } from "../layout.ts";
import type { BpfModule, FunctionEntry, GlobalSection } from "../module.ts";
import type { Span } from "../span.ts";
import { portablePaths } from "./lines.ts";

export const METADATA_SECTION = ".tsbpf";
export const METADATA_VERSION = 1;

/** Index into `spans`. */
export type SpanIndex = number;
/** Spans are shared: file, start, end, and the index in `expansions` where there is one. */
export type SpanRow = readonly [file: number, start: number, end: number, via?: number];
export type ExpansionRow = readonly [kind: "call" | "loop", at: SpanIndex, what: string | number];

export interface Metadata {
  readonly version: typeof METADATA_VERSION;
  readonly target: string;
  /** The oldest release that it was proved for. */
  readonly kernel?: string;
  readonly needs: readonly string[];
  readonly sources: readonly { readonly path: string; readonly text: string }[];
  readonly spans: readonly SpanRow[];
  readonly expansions: readonly ExpansionRow[];
  /** `symbol` where the ELF symbol differs from the name in the source. */
  readonly maps: readonly {
    readonly name: string;
    readonly symbol?: string;
    readonly key?: Layout;
    readonly value?: Layout;
    /** Key and value in hexadecimal. */
    readonly initial: readonly (readonly [string, string])[];
    readonly span?: SpanIndex;
  }[];
  readonly globals: readonly {
    readonly name: string;
    readonly symbol?: string;
    readonly section: GlobalSection;
    readonly layout: Layout;
    readonly param: boolean;
    readonly span?: SpanIndex;
  }[];
  readonly programs: readonly {
    readonly name: string;
    readonly symbol?: string;
    readonly type: string;
    readonly attachType: number;
    readonly stack: number;
    readonly functions: readonly FunctionRow[];
    /** Slot and span, in turn. */
    readonly lines: readonly number[];
    readonly span?: SpanIndex;
  }[];
  /** Absent where there is none. */
  readonly structOps?: readonly {
    readonly name: string;
    readonly symbol?: string;
    readonly state?: Layout;
    readonly span?: SpanIndex;
  }[];
}

/** Name, slot, names and types of the parameters in turn, and the type of what it gives. */
type FunctionRow = readonly [string, number] | readonly [string, number, readonly string[], string | null];
const functionRow = ({ name, slot, signature }: FunctionEntry): FunctionRow =>
  signature
    ? [name, slot, signature.params.flatMap((param) => [param.name, param.type]), signature.returns ?? null]
    : [name, slot];

/** ELF symbols of a module's parts, in the module's order. */
export interface SymbolNames {
  readonly maps: readonly string[];
  readonly globals: readonly string[];
  readonly programs: readonly string[];
  readonly structOps: readonly string[];
}

export function metadataOf(module: BpfModule, symbols: SymbolNames): Metadata {
  const spans: SpanRow[] = [];
  const expansions: ExpansionRow[] = [];
  const known = new Map<string, number>();
  const usedFiles = new Set<number>();
  const intern = (span: Span): SpanIndex => {
    usedFiles.add(span.file);
    let via: number | undefined;
    if (span.via) {
      const row: ExpansionRow = [span.via.kind, intern(span.via.at), span.via.what];
      const key = `via ${JSON.stringify(row)}`;
      via = known.get(key) ?? expansions.push(row) - 1;
      known.set(key, via);
    }
    const row: SpanRow = via === undefined ? [span.file, span.start, span.end] : [span.file, span.start, span.end, via];
    const key = row.join(" ");
    const index = known.get(key) ?? spans.push(row) - 1;
    known.set(key, index);
    return index;
  };
  const place = (span: Span | undefined): { readonly span?: SpanIndex } => (span ? { span: intern(span) } : {});
  const symbol = (name: string, used: string): { readonly symbol?: string } => (name === used ? {} : { symbol: used });

  const maps = module.maps.map((map, index) => ({
    name: map.name,
    ...symbol(map.name, symbols.maps[index]!),
    ...(map.key ? { key: map.key } : {}),
    ...(map.value ? { value: map.value } : {}),
    initial: map.initial.map(({ key, value }): [string, string] => [hex(key), hex(value)]),
    ...place(map.span),
  }));
  const globals = module.globals.map((variable, index) => ({
    name: variable.name,
    ...symbol(variable.name, symbols.globals[index]!),
    section: variable.section,
    layout: variable.layout,
    param: variable.param,
    ...place(variable.span),
  }));
  const programs = module.programs.map((program, index) => ({
    name: program.name,
    ...symbol(program.name, symbols.programs[index]!),
    type: program.type,
    attachType: program.attachType,
    stack: program.stack,
    functions: program.functions.map(functionRow),
    lines: program.lines.flatMap((line) => [line.slot, intern(line.span)]),
    ...place(program.span),
  }));
  const structOps = module.structOps?.map((one, index) => ({
    name: one.name,
    ...symbol(one.name, symbols.structOps[index]!),
    ...(one.state ? { state: one.state } : {}),
    ...place(one.span),
  }));
  const paths = portablePaths(module.sources);
  return {
    version: METADATA_VERSION,
    target: module.target,
    ...(module.kernel === undefined ? {} : { kernel: module.kernel }),
    needs: module.needs,
    // Files that no span points into (the declarations, say) are named but not carried along.
    sources: module.sources.map((source, index) => ({
      path: paths[index]!,
      text: usedFiles.has(index) ? source.text : "",
    })),
    spans,
    expansions,
    maps,
    globals,
    programs,
    ...(structOps ? { structOps } : {}),
  };
}

/** As a string table of one string: a NUL, the JSON, a NUL. */
export const encodeMetadata = (metadata: Metadata): Uint8Array =>
  new TextEncoder().encode(`\0${JSON.stringify(metadata)}\0`);

export const hex = (bytes: Uint8Array): string => {
  let text = "";
  for (const byte of bytes) text += byte.toString(16).padStart(2, "0");
  return text;
};
