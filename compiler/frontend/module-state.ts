/** The state of one compilation: what was declared, what was lowered, what was reported. */
import type { ts } from "ts-morph";
import { type Feature, FEATURES, has, type Kernel, kernels, type TargetName } from "../bpf/kernels.ts";
import { SOCK_OPS_CALLBACKS } from "../bpf/kinds/sock-ops.ts";
import { isAtLeast, type Version } from "../bpf/verifier-rules.ts";
import { report, type Diagnostic, type FactsOf, type Key, type Note } from "../diagnostics.ts";
import type { Finding } from "../findings.ts";
import type { Func } from "../ir/ir.ts";
import { alignOf, sizeOf, type Layout } from "../layout.ts";
import type { GlobalSection, GlobalVar, StructOps } from "../module.ts";
import type { Span } from "../span.ts";
import type { Entity, FunctionEntity, MapEntity, ProgramEntity } from "./entities.ts";
import type { Given } from "./operand.ts";
import type { Replaced } from "./references.ts";
import type { Knowledge } from "./shapes.ts";
import type { LanguageModule, ParsedFile, Project } from "./project.ts";
import type { DslType } from "./types.ts";
import type { Visitors } from "./visit.ts";

/** A name at the top level of a file, not yet evaluated. */
export type Declaration =
  | {
      readonly kind: "import";
      readonly specifier: string;
      /** Absent: the whole module. */ readonly name?: string;
      readonly node: ts.Node;
    }
  | {
      readonly kind: "variable";
      readonly node: ts.VariableDeclaration;
      readonly constant: boolean;
      readonly exported: boolean;
    }
  | { readonly kind: "class"; readonly node: ts.ClassDeclaration }
  | { readonly kind: "function"; readonly node: ts.FunctionDeclaration }
  | { readonly kind: "other"; readonly node: ts.Node };

export interface FileScope {
  readonly file: ParsedFile;
  readonly declared: Map<string, Declaration>;
  readonly types: Map<string, ts.TypeAliasDeclaration | ts.InterfaceDeclaration>;
  /** Exported name to local name, or to a name of another module. */
  readonly exported: Map<string, { readonly local: string } | { readonly from: string; readonly name: string }>;
  /** Specifiers of `export * from`. */
  readonly reexported: string[];
  readonly evaluated: Map<string, Entity>;
}

/** A helper function lowered for one kind of arguments. */
export interface LoweredFunction {
  readonly irName: string;
  readonly returns: DslType;
  readonly func: Func;
  /** What it replaces as a whole of what its caller may have names for. */
  readonly replaced: readonly Replaced[];
  /** Of the reference that it gives back. */
  readonly given?: Given;
}

/** What was learned of variables that hold references, by their declarations; kept from one lowering of a module to the next. */
export interface KnownReferences {
  readonly known: Map<ts.Node, Knowledge>;
  again: boolean;
}

export interface ModuleState {
  readonly project: Project;
  readonly target: TargetName;
  readonly kernel: Kernel;
  readonly scopes: readonly FileScope[];
  readonly diagnostics: Diagnostic[];
  readonly findings: Finding[];
  readonly needs: Set<Feature>;
  readonly maps: MapEntity[];
  readonly globals: GlobalVar[];
  readonly sectionSizes: Record<GlobalSection, number>;
  readonly programs: ProgramEntity[];
  readonly structOps: StructOps[];
  readonly functions: Map<string, LoweredFunction>;
  /** Functions being lowered, outermost first: to find recursion. */
  readonly calling: FunctionEntity[];
  readonly names: Set<string>;
  readonly rodata: Map<string, GlobalVar>;
  readonly stringCodes: Map<string, bigint>;
  license: { readonly id: string; readonly node: ts.Node; readonly file: number } | undefined;
  /** The callback flag that turns an option's writing on. */
  readonly writeBit: number;
  /** Whether connections are passed to helper functions that may turn writing on or off: then what they want lies in memory. */
  readonly sharedWish: boolean;
  /** Options of the object that write, in the order in which they are lowered. */
  readonly writers: { readonly name: string; readonly exclusive: boolean; readonly span: Span }[];
  /** Options of the object that write and keep their state per socket: their bits, by program. */
  readonly optionBits: Map<string, number>;
  /** The map that holds these bits, once there is one. */
  optionMap: string | undefined;
  /** Globals that could hold a context; an error unless the assignment to them is one already. */
  readonly contextGlobals: Span[];
  /** The first expression that was given up without a word, because the type checker has one for it. */
  silent: Span | undefined;
  /** The module of the language that exports a name. */
  readonly exportsOf: (name: string) => LanguageModule | undefined;
  /** The events in which a member of the low-level context is there. */
  readonly eventsOf: (name: string) => readonly string[];
  /** What is known of the references that variables hold, and whether all must be lowered again for it. */
  readonly references: KnownReferences;
  /** Reported once: more errors than anyone reads. */
  readonly seen: Set<string>;
  readonly visit: Visitors;
}

export function moduleState(
  project: Project,
  kernel: Kernel,
  scopes: readonly FileScope[],
  { exportsOf, eventsOf, references, visit }: Pick<ModuleState, "exportsOf" | "eventsOf" | "references" | "visit">,
): ModuleState {
  return {
    project,
    target: kernel.name,
    kernel,
    scopes,
    diagnostics: [],
    findings: [],
    needs: new Set(),
    maps: [],
    globals: [],
    sectionSizes: { ".rodata": 0, ".data": 0, ".bss": 0 },
    programs: [],
    structOps: [],
    functions: new Map(),
    calling: [],
    names: new Set(),
    rodata: new Map(),
    stringCodes: new Map(),
    license: undefined,
    writeBit: has(kernel, "tcp-option-events") ? SOCK_OPS_CALLBACKS.TcpOptions.bit : SOCK_OPS_CALLBACKS.WriteOption.bit,
    sharedWish: project.files.some((file) => /\bOptionConn\b/.test(file.source.text)),
    writers: [],
    optionBits: new Map(),
    optionMap: undefined,
    contextGlobals: [],
    silent: undefined,
    exportsOf,
    eventsOf,
    references,
    seen: new Set(),
    visit,
  };
}

export const spanOf = (file: ParsedFile, node: ts.Node): Span => ({
  file: file.index,
  start: node.getStart(file.tree),
  end: node.end,
});

/** Reports once per key and place: a function lowered for several kinds of arguments says the same thing each time. */
export function say<K extends Key>(
  state: ModuleState,
  key: K,
  span: Span | undefined,
  facts: FactsOf<K>,
  notes: readonly Note[] = [],
): void {
  const once = span ? `${key} ${span.file} ${span.start} ${span.end}` : key;
  if (state.seen.has(once)) return;
  state.seen.add(once);
  state.diagnostics.push(report(key, span, facts, notes));
}

/** Records that the object needs a feature; an error when the target has not got it. `what` is the user's word for it. */
export function need(state: ModuleState, feature: Feature, span: Span, what: string): boolean {
  state.needs.add(feature);
  if (has(state.kernel, feature)) return true;
  const { since } = FEATURES[feature];
  if (state.kernel.features.has(feature) && since) {
    sayTooNew(state, span, what, since);
    return false;
  }
  sayOfOthers(
    state,
    span,
    what,
    Object.values(kernels).filter((kernel) => has(kernel, feature)),
  );
  return false;
}

/** Reports what came with a version of Linux that is newer than the oldest of the target. */
export function sayTooNew(state: ModuleState, span: Span, what: string, since: Version): void {
  if (isAtLeast(kernels[state.target].newest, since))
    return say(state, "needs-newer-kernel", span, { what, since, oldest: state.kernel.oldest });
  sayOfOthers(
    state,
    span,
    what,
    Object.values(kernels).filter((kernel) => isAtLeast(kernel.newest, since)),
  );
}
const sayOfOthers = (state: ModuleState, span: Span, what: string, others: readonly Kernel[]): void =>
  say(state, "needs-kernel", span, {
    what,
    target: state.target,
    other: others.map((kernel) => kernel.name).join(" or "),
  });

/** A name as it is in the kernel and in the object's type information: what is not ASCII becomes _. */
export const keptName = (name: string): string => name.replace(/[^A-Za-z0-9_]/g, "_");

/** A name that no other function, map or global of the object has. */
export function freshName(state: ModuleState, wanted: string): string {
  let name = wanted;
  for (let n = 2; state.names.has(keptName(name)); n++) name = `${wanted}_${n}`;
  state.names.add(keptName(name));
  return name;
}

/** Puts a variable at the end of a section. */
export function addGlobal(
  state: ModuleState,
  name: string,
  section: GlobalSection,
  layout: Layout,
  init: Uint8Array,
  param: boolean,
  span?: Span,
): GlobalVar {
  const align = alignOf(layout);
  const offset = Math.ceil(state.sectionSizes[section] / align) * align;
  state.sectionSizes[section] = offset + sizeOf(layout);
  const variable: GlobalVar = { name, section, offset, layout, init, param, ...(span ? { span } : {}) };
  state.globals.push(variable);
  return variable;
}

/** A constant in .rodata, one per content. The layout must hold `bytes`. */
export function constantBytes(
  state: ModuleState,
  name: string,
  layout: Layout,
  bytes: Uint8Array,
  span: Span,
): GlobalVar {
  const key = `${layout.kind} ${alignOf(layout)} ${Array.from(bytes).join(",")}`;
  const known = state.rodata.get(key);
  if (known) return known;
  const made = addGlobal(state, freshName(state, name), ".rodata", layout, bytes, false, span);
  state.rodata.set(key, made);
  return made;
}

/** The code of a string constant: one number per text of the module. */
export function stringCode(state: ModuleState, text: string): bigint {
  const code = state.stringCodes.get(text) ?? BigInt(state.stringCodes.size + 1);
  state.stringCodes.set(text, code);
  return code;
}
