/** The optimizer: one ordered list of passes. */
import type { Kernel } from "../bpf/kernels.ts";
import type { Diagnostic } from "../diagnostics.ts";
import type { IrModule } from "../ir/ir.ts";
import { inline } from "./inline.ts";
import { PASSES, STEPS } from "./order.ts";
import type { PassContext } from "./pass.ts";

export interface OptimizeOptions {
  /** Most instruction slots of one program. */
  readonly maxInsns: number;
  /** Passes to switch off, by name; those marked `required` stay. */
  readonly without?: readonly string[];
  /** Called with the whole module after each pass. */
  readonly after?: (pass: string, module: IrModule, group: string) => void;
}

/** Names of the passes that can be switched off, once each. */
export const optionalPasses = (): string[] => [
  ...new Set(PASSES.filter((pass) => !pass.required).map((pass) => pass.name)),
];

/**
 * Runs the passes over every program. The module that comes out has no functions besides its programs, no loops and nothing
 * left to prove. With an error among the diagnostics it is as far as it got.
 */
export function optimize(
  module: IrModule,
  kernel: Kernel,
  options: OptimizeOptions,
): { module: IrModule; diagnostics: Diagnostic[] } {
  const diagnostics: Diagnostic[] = [];
  const without = new Set(options.without);
  let current = module;
  for (const { group, pass } of STEPS) {
    if (!pass.required && without.has(pass.name)) continue;
    const context: PassContext = {
      module: current,
      kernel,
      maxInsns: options.maxInsns,
      report: (diagnostic) => void diagnostics.push(diagnostic),
    };
    current = {
      ...current,
      programs: current.programs.map((p) => ({ ...p, func: pass.run(p.func, context) })),
    };
    if (pass === inline) current = { ...current, functions: [] };
    options.after?.(pass.name, current, group);
    if (diagnostics.some((d) => d.severity === "error")) break;
  }
  return { module: current, diagnostics };
}
