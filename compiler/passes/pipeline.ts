/** The optimizer: one ordered list of passes. */
import type { Kernel } from "../bpf/kernels.ts";
import type { Diagnostic } from "../diagnostics.ts";
import type { Func, IrModule } from "../ir/ir.ts";
import { sameFunc } from "../ir/same.ts";
import { inline } from "./inline.ts";
import { settleFunctions } from "./kept-functions.ts";
import { PASSES, STEPS } from "./order.ts";
import type { Pass, PassContext } from "./pass.ts";

export interface OptimizeOptions {
  /** Most instruction slots of one program. */
  readonly maxInsns: number;
  /** Passes to switch off, by name; those marked `required` stay. */
  readonly without?: readonly string[];
  /** Functions that stay functions where they can, by name; absent: none. */
  readonly kept?: Iterable<string>;
  /** Called with the whole module after each pass. */
  readonly after?: (pass: string, module: IrModule, group: string) => void;
}

export interface Optimized {
  readonly module: IrModule;
  readonly diagnostics: readonly Diagnostic[];
  /** Functions that stayed functions and have errors. */
  readonly blamed: ReadonlySet<string>;
}

/** Names of the passes that can be switched off, once each. */
export const optionalPasses = (): string[] => [
  ...new Set(PASSES.filter((pass) => !pass.required).map((pass) => pass.name)),
];

/**
 * Runs the passes over every program and the functions that stay. The module that comes out has no others, no loops and nothing left to
 * prove. With an error among the diagnostics it is as far as it got.
 */
export function optimize(module: IrModule, kernel: Kernel, options: OptimizeOptions): Optimized {
  const diagnostics: Diagnostic[] = [];
  const blamed = new Set<string>();
  const failed = (): boolean => diagnostics.some((d) => d.severity === "error");
  const without = new Set(options.without);
  const kept = new Set(options.kept);
  let current = module;
  /** What each pass has left as it was, without a word: it would do so again. */
  const settled = new Map(PASSES.map((pass) => [pass, new WeakSet<Func>()]));
  const run = (pass: Pass, functions: readonly Func[]): IrModule => {
    const apply = (func: Func, own: boolean): Func => {
      if (settled.get(pass)?.has(func)) return func;
      let silent = true;
      const report = (diagnostic: Diagnostic): void => {
        silent = false;
        diagnostics.push(diagnostic);
        if (!own) blamed.add(func.name);
      };
      const context: PassContext = { module: current, kernel, kept, maxInsns: options.maxInsns, report };
      const made = pass.run(func, context);
      if (!sameFunc(func, made)) return made;
      // The one that is known already: with it go its graph and what else has been found out of it.
      if (silent && pass !== inline) settled.get(pass)?.add(func);
      return func;
    };
    return {
      ...current,
      functions: functions.map((func) => apply(func, false)),
      programs: current.programs.map((p) => ({ ...p, func: apply(p.func, true) })),
    };
  };
  /** Which of the functions that should stay can is seen when the others are in their place. */
  const inlined = (): IrModule => {
    for (;;) {
      const { module: settled, unfit } = settleFunctions(
        run(
          inline,
          current.functions.filter(({ name }) => kept.has(name)),
        ),
      );
      if (unfit.size === 0 || failed()) return settled;
      for (const name of unfit) kept.delete(name);
    }
  };
  for (const { group, pass } of STEPS) {
    if (!pass.required && without.has(pass.name)) continue;
    current = pass === inline ? inlined() : run(pass, current.functions);
    options.after?.(pass.name, current, group);
    if (failed()) break;
  }
  return { module: current, diagnostics, blamed };
}
