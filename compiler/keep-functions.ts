/**
 * Which functions stay functions. One that is called in more than one place stays if the program is smaller that way and its longest run
 * not much longer. A call in a loop is paid for in each turn, so what one loop alone calls stays only if the program is too
 * large otherwise. What a program means does not depend on it, and neither do its errors.
 */
import { backend } from "./backend/emit.ts";
import type { Kernel } from "./bpf/kernels.ts";
import { longestPath } from "./bpf/longest-path.ts";
import type { Diagnostic, Key } from "./diagnostics.ts";
import { callersFirst, callsOf } from "./ir/calls.ts";
import { graphOf, loopsOf } from "./ir/graph.ts";
import { isFunctionCall, type Func, type IrModule } from "./ir/ir.ts";
import type { BpfModule, BpfProgram } from "./module.ts";
import { optimize, type Optimized, type OptimizeOptions } from "./passes/pipeline.ts";

export { optionalPasses, type OptimizeOptions } from "./passes/pipeline.ts";

/** `choose`: as above. `inline`: none stays. `keep`: every one does that can. */
export type Functions = "choose" | "inline" | "keep";

/** The longest run may be this many times as long as with everything in its place … */
const LONGER = 5 / 3;
/** … and this many instructions: a call takes about so many, which counts in a short program. */
const LONGER_BY = 16;
/** A body smaller than this is not worth a call: moving arguments, calling and returning take as much. */
const LEAST_SLOTS = 12;
/** The same of a body that is not optimized yet. */
const LEAST_INSTRUCTIONS = 8;

/** What says that a program is too large. */
const TOO_LARGE: ReadonlySet<Key> = new Set<Key>(["calls-too-large", "loop-too-large", "too-many-instructions"]);

const failed = (diagnostics: readonly Diagnostic[]): boolean => diagnostics.some((d) => d.severity === "error");

interface Version {
  readonly optimized: Optimized;
  /** Absent where there are errors. */
  readonly module?: BpfModule;
  readonly diagnostics: readonly Diagnostic[];
}

/** What was made of one module so far, by the functions that were to be kept. */
export type Trials = Map<string, Version>;

/** One trial, with the given functions kept as far as they can be; it is put to the others. */
export function trial(
  lowered: IrModule,
  kernel: Kernel,
  names: readonly string[],
  options: OptimizeOptions,
  trials: Trials,
): Version {
  const key = [...names].sort().join(" ");
  const made = trials.get(key) ?? tried(lowered, kernel, names, options);
  trials.set(key, made);
  return made;
}

function tried(lowered: IrModule, kernel: Kernel, names: readonly string[], options: OptimizeOptions): Version {
  const left = new Set(names);
  for (;;) {
    const optimized = optimize(lowered, kernel, { ...options, kept: left });
    // What is known at every call may not be known in the function.
    for (const name of optimized.blamed) left.delete(name);
    if (optimized.blamed.size > 0) continue;
    if (failed(optimized.diagnostics)) return { optimized, diagnostics: optimized.diagnostics };
    const { module, diagnostics, overflows } = backend(optimized.module, kernel, { maxInsns: options.maxInsns });
    // In the place of its call a function shares the caller's frame.
    const wide = [...overflows.values()].flatMap((chain) => [...chain].sort((a, b) => b.bytes - a.bytes).slice(0, 1));
    for (const { name } of wide) left.delete(name);
    if (wide.length > 0) continue;
    return { optimized, diagnostics, ...(module ? { module } : {}) };
  }
}

/** Optimizes a module with the functions kept that should be. `trials` are those of the same module, kernel and options. */
export function optimizeWithFunctions(
  lowered: IrModule,
  kernel: Kernel,
  functions: Functions,
  options: OptimizeOptions,
  trials: Trials = new Map(),
): Optimized {
  const kept = functions === "inline" ? [] : functions === "keep" ? callersFirst(lowered) : worthKeeping(lowered, 2);
  if (kept.length === 0)
    return (options.after ? undefined : trials.get(""))?.optimized ?? optimize(lowered, kernel, options);
  // Trials are not to be seen from outside.
  const { after, ...quiet } = options;
  const attempt = (names: readonly string[]): Version => trial(lowered, kernel, names, quiet, trials);
  const named = (funcs: readonly Func[]): string[] => funcs.map(({ name }) => name);
  const choose = (): Version => {
    const without = attempt([]);
    const some = better(without, () => smallest(attempt, named(worthKeeping(lowered, 1))));
    return some.module ? some : better(without, () => smallest(attempt, named(kept)));
  };
  const chosen = functions === "keep" ? attempt(named(kept)) : choose();
  if (!after) return chosen.optimized;
  return optimize(lowered, kernel, { ...options, kept: chosen.optimized.module.functions.map(({ name }) => name) });
}

/** Functions of some size that are called more than once, where a call in a loop counts as so many. */
function worthKeeping(module: IrModule, inLoop: number): Func[] {
  const times = new Map<string, number>();
  const note = (func: Func, by: number): void => {
    const looped = blocksInLoops(func);
    for (const block of func.blocks)
      for (const inst of block.insts)
        if (isFunctionCall(inst))
          times.set(inst.target.name, (times.get(inst.target.name) ?? 0) + (looped.has(block.id) ? inLoop * by : by));
  };
  for (const { func } of module.programs) note(func, 1);
  const kept: Func[] = [];
  for (const func of callersFirst(module)) {
    const instructions = func.blocks.reduce((sum, { insts }) => sum + insts.length + 1, 0);
    const stays = times.get(func.name)! > 1 && instructions >= LEAST_INSTRUCTIONS;
    if (stays) kept.push(func);
    note(func, stays ? 1 : times.get(func.name)!);
  }
  return kept;
}

function blocksInLoops(func: Func): ReadonlySet<number> {
  return new Set(loopsOf(graphOf(func)).loops.flatMap(({ blocks }) => [...blocks]));
}

/** All kept, but for those whose copies take no more than calls do: small ones, and those that are called in one place. */
function smallest(attempt: (names: readonly string[]) => Version, names: readonly string[]): Version {
  const all = attempt(names);
  if (!all.module) return all;
  const calls = new Map<string, number>();
  const { functions, programs } = all.optimized.module;
  for (const func of [...functions, ...programs.map((program) => program.func)])
    for (const { target } of callsOf(func)) calls.set(target.name, (calls.get(target.name) ?? 0) + 1);
  const slots = new Map<string, number>();
  for (const { functions: parts, insns } of all.module.programs)
    parts.forEach(({ name, slot }, at) => slots.set(name, (parts[at + 1]?.slot ?? insns.length) - slot));
  const worth = functions.filter(({ name }) => slots.get(name)! >= LEAST_SLOTS && calls.get(name)! > 1);
  return worth.length === functions.length ? all : attempt(worth.map(({ name }) => name));
}

/** The version without functions, unless it is too large or the one with them is better. */
function better(without: Version, makeWith: () => Version): Version {
  const tooLarge = without.diagnostics.every(({ key, severity }) => severity !== "error" || TOO_LARGE.has(key));
  if (!without.module && !tooLarge) return without;
  const withThem = makeWith();
  if (!withThem.module) return without;
  if (!without.module) return withThem;
  const slots = ({ programs }: BpfModule): number => programs.reduce((sum, { insns }) => sum + insns.length, 0);
  const longest = ({ insns, functions }: BpfProgram): number | undefined =>
    longestPath(
      insns,
      functions.map(({ slot }) => slot),
    );
  const short = withThem.module.programs.every((program, at) => {
    const own = longest(program);
    const other = longest(without.module!.programs[at]!);
    return own !== undefined && other !== undefined && own <= Math.max(other * LONGER, other + LONGER_BY);
  });
  return short && slots(withThem.module) < slots(without.module) ? withThem : without;
}
