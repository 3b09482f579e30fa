/**
 * The pipeline, as one function: TypeScript source → IR → optimized IR → bytecode → proof → ELF object.
 * Pure and total: it touches no file, reads no clock, and a wrong program is a list of diagnostics.
 */
import { backend } from "./backend/emit.ts";
import type { Guard, Guards } from "./backend/guard.ts";
import type { KernelTypes } from "./bpf/kernel-types.ts";
import { kernelOf, type Kernel, type OldestKernel, type TargetName } from "./bpf/kernels.ts";
import { rulesOf, type Version } from "./bpf/verifier-rules.ts";
import { withFixes, type Diagnostic, type Key } from "./diagnostics.ts";
import { declarations } from "./frontend/declarations.generated.ts";
import { frontend } from "./frontend/lower.ts";
import { prepareChecker } from "./frontend/project.ts";
import type { Finding } from "./findings.ts";
import type { IrModule } from "./ir/ir.ts";
import { optimizeWithFunctions, trial, type Functions, type OptimizeOptions, type Trials } from "./keep-functions.ts";
import type { BpfModule } from "./module.ts";
import { writeObject } from "./object/write.ts";
import { looseOffsets } from "./verifier/loose-offsets.ts";
import type { FoundImport, SourceFile } from "./span.ts";
import { isTooComplex, judged, judgesOf } from "./verifier/module.ts";

export { optionalPasses } from "./keep-functions.ts";

export interface CompileOptions {
  /** Absent: follows from the imports (`tsbpf/mptcp` and `tsbpf/delack` need the patched kernel). */
  readonly target?: TargetName;
  /** The oldest kernel that must take the object, where it is not the target's own ("5.10" for mainline). */
  readonly kernel?: OldestKernel;
  /** The kernel's structs, where they are not those of the repository. */
  readonly types?: KernelTypes;
  /** Most instruction slots of one program; absent: the target's limit, 4096. */
  readonly maxInsns?: number;
  /** Passes to switch off, by name. */
  readonly withoutPasses?: readonly string[];
  /** Which functions stay functions: those that are worth it, none, or every one that can. */
  readonly functions?: Functions;
  /** Finds an imported file: `path` as written, `from` the importing file's path. Absent: imports of files are errors. */
  readonly readImport?: (path: string, from: string) => FoundImport;
  /** Called with the IR after each pass ("lower" first), and the group of passes it is in. */
  readonly afterPass?: (pass: string, module: IrModule, group?: string) => void;
  /** A file without programs is fine: it is only looked at, as `tsbpf check` does. */
  readonly library?: boolean;
  /** Warnings that are errors: all, or those with these keys. */
  readonly strict?: boolean | readonly Key[];
  /** Stop after the frontend: the errors of the language and the findings, in a fraction of the time; nothing is proven or emitted. */
  readonly frontendOnly?: boolean;
  /** Skip the verifier: only for measuring what it costs, and for tests of it. */
  readonly verify?: boolean;
}

export interface CompileResult {
  /** The ELF object; absent when there are errors. */
  readonly object?: Uint8Array;
  readonly module?: BpfModule;
  /** The optimized IR, as far as it got. */
  readonly ir?: IrModule;
  readonly target: TargetName;
  /** The oldest kernel that it was made for, taken or refused; absent where the frontend found errors. */
  readonly oldest?: Version;
  readonly diagnostics: readonly Diagnostic[];
  /** What was found out about names. */
  readonly findings: readonly Finding[];
  /** The files that spans point into, by index. */
  readonly sources: readonly SourceFile[];
}

const failed = (diagnostics: readonly Diagnostic[]): boolean => diagnostics.some((d) => d.severity === "error");

/** Compiles one module. Errors are diagnostics; a throw is a bug in tsbpf. */
export function compile(entry: SourceFile, options: CompileOptions = {}): CompileResult {
  const begun = begin(entry, options);
  return told("done" in begun ? begun.done : finish(begun, options), options);
}

/** What can be shown of a module before all is known of it. */
export interface Draft {
  /** The errors and warnings so far, and the bytecode before its proof, without an object. */
  readonly result: CompileResult;
  /** Does what is left, with what was made for the draft: comes to what `compile` comes to. Absent where nothing is left, as after errors of the frontend. */
  readonly finish?: () => CompileResult;
}

/**
 * compile() in two steps, for who shows it while somebody types. What takes longest in large programs is to choose which functions stay functions, and
 * the proof: the draft keeps the given ones, those of the text before, and proves nothing.
 */
export function compileDraft(entry: SourceFile, options: CompileOptions, kept: readonly string[]): Draft {
  const begun = begin(entry, options);
  if ("done" in begun) return { result: told(begun.done, options) };
  return { result: told(draftOf(begun, kept), options), finish: () => told(finish(begun, options), options) };
}

function told(found: CompileResult, options: CompileOptions): CompileResult {
  const said = failed(found.diagnostics)
    ? // What is not used yet may be what the remedy of an error uses.
      found.diagnostics.filter((one) => !one.key.startsWith("unused"))
    : found.diagnostics;
  const result = { ...found, diagnostics: withFixes(said, found.sources) };
  return options.strict ? raised(result, options.strict) : result;
}

/**
 * Gets ready what the next compilation in this process begins with: it takes less time then, and comes to the same.
 * @returns tells whether that compilation has begun with it
 */
export function prepare(): () => boolean {
  return prepareChecker(declarations);
}

/** The same result with warnings as errors: all of them, or those with the given keys. Where there are any there is no object. */
export function raised(result: CompileResult, which: true | readonly Key[]): CompileResult {
  const diagnostics = result.diagnostics.map((one) =>
    which === true || which.includes(one.key) ? { ...one, severity: "error" as const } : one,
  );
  if (!failed(diagnostics)) return result;
  const { object: _object, ...rest } = result;
  return { ...rest, diagnostics };
}

/** What the frontend has made, and what is made of it. */
interface Lowered {
  readonly found: Pick<CompileResult, "target" | "diagnostics" | "sources" | "findings">;
  readonly module: IrModule;
  readonly kernel: Kernel;
  readonly optimizing: OptimizeOptions & { readonly maxInsns: number };
  readonly trials: Trials;
}

/** The frontend; `done` where it has the last word. */
function begin(entry: SourceFile, options: CompileOptions): { readonly done: CompileResult } | Lowered {
  const { module, target, sources, findings, diagnostics, ...lowered } = frontend({
    entry,
    readImport: options.readImport ?? (() => undefined),
    declarations,
    ...(options.target ? { target: options.target } : {}),
    ...(options.kernel ? { kernel: options.kernel } : {}),
    ...(options.types ? { types: options.types } : {}),
    ...(options.library ? { library: true } : {}),
  });
  const found = { target, diagnostics, sources, findings };
  if (!module || failed(diagnostics) || options.frontendOnly) return { done: found };
  options.afterPass?.("lower", module);
  const kernel = lowered.kernel ?? kernelOf(target, options.kernel, options.types);
  const optimizing = {
    maxInsns: options.maxInsns ?? kernel.maxInsns,
    ...(options.withoutPasses ? { without: options.withoutPasses } : {}),
    ...(options.afterPass ? { after: options.afterPass } : {}),
  };
  return { found, module, kernel, optimizing, trials: new Map() };
}

function draftOf({ found, module, kernel, optimizing, trials }: Lowered, kept: readonly string[]): CompileResult {
  const { after: _, ...quiet } = optimizing;
  const made = trial(module, kernel, kept, quiet, trials);
  // Its errors are not told: another choice of functions may be without them.
  return { ...found, ir: made.optimized.module, ...(made.module ? { module: made.module } : {}) };
}

function finish({ found, module, kernel, optimizing, trials }: Lowered, options: CompileOptions): CompileResult {
  const emit = (functions: Functions) => {
    const optimized = optimizeWithFunctions(module, kernel, functions, optimizing, trials);
    const emitted = failed(optimized.diagnostics)
      ? undefined
      : emitProven(optimized.module, kernel, optimizing.maxInsns, options.verify !== false);
    return { optimized, emitted };
  };
  let { optimized, emitted } = emit(options.functions ?? "choose");
  // What the verifier knows at every call it may not be able to follow through one.
  if (emitted && failed(emitted.diagnostics) && optimized.module.functions.length > 0)
    ({ optimized, emitted } = emit("inline"));
  const diagnostics = [...found.diagnostics, ...optimized.diagnostics, ...(emitted?.diagnostics ?? [])];
  const result = { ...found, diagnostics, ir: optimized.module };
  if (!emitted?.module) return result;
  const { oldest } = kernel;
  if (failed(diagnostics)) return { ...result, oldest, module: emitted.module };
  const proven: BpfModule = { ...emitted.module, kernel: oldest };
  return { ...result, oldest, module: proven, object: writeObject(proven, kernel.types) };
}

/**
 * Most times that a module is emitted anew. One walk finds every offset that is lost; what is done about them moves the places where
 * the verifier compares states, and so another may be.
 */
const ROUNDS = 8;
/** After so many, every offset that is known to be inside gets a check. */
const PATIENT_ROUNDS = 6;

/**
 * Emits a module that the verifiers of its kernels can follow: where they lose sight of an offset that is known to be inside of
 * its array, a check is put before it; where that does not help, ranges of the stack are made plain before they are stored into.
 * Programs of which they see enough stay as they are.
 */
export function emitProven(
  module: IrModule,
  kernel: Kernel,
  maxInsns: number,
  prove: boolean,
): { readonly module?: BpfModule; readonly diagnostics: readonly Diagnostic[] } {
  const guards = new Map<string, Guards>();
  const scrubbed = new Set<string>();
  const scrubs = judgesOf(kernel).some((release) => !rulesOf(release).scrubsWholeSlots);
  for (let round = 0; ; round++) {
    const emitted = backend(module, kernel, { maxInsns, guards, scrubbed });
    const made = emitted.module;
    if (!made || failed(emitted.diagnostics) || !prove) return emitted;
    const verdicts = new Map(made.programs.map((program) => [program, judged(made, program, kernel)]));
    let more = false;
    for (const [program, verdict] of verdicts) {
      if (round === ROUNDS) break;
      if (!verdict || !failed(verdict.diagnostics) || isTooComplex(verdict.diagnostics)) continue;
      const before: Guards = guards.get(program.name) ?? new Map();
      const offsets = emitted.offsets.get(program.name) ?? [];
      const loose =
        round < PATIENT_ROUNDS
          ? looseOffsets(made, program, kernel, verdict.release, offsets)
          : { needs: new Map(offsets.map((_, number) => [number, EVERY_GUARD])), limit: undefined };
      if (loose.limit) {
        verdicts.set(program, { ...verdict, diagnostics: loose.limit });
        continue;
      }
      const all = new Map(before);
      for (const [number, wanted] of loose.needs) all.set(number, new Set([...(before.get(number) ?? []), ...wanted]));
      const count = (of: Guards): number => [...of.values()].reduce((sum, wanted) => sum + wanted.size, 0);
      if (count(all) > count(before)) guards.set(program.name, all);
      else if (scrubs && !scrubbed.has(program.name)) scrubbed.add(program.name);
      else continue;
      more = true;
    }
    if (!more) {
      const said = [...verdicts.values()].flatMap((verdict) => verdict?.diagnostics ?? []);
      return { module: made, diagnostics: [...emitted.diagnostics, ...said] };
    }
  }
}
const EVERY_GUARD: ReadonlySet<Guard> = new Set<Guard>(["compare", "unlink", "settle"]);
