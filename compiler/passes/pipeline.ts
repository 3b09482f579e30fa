/** The optimizer: one ordered list of passes. */
import type { Kernel } from "../bpf/kernels.ts";
import type { Diagnostic } from "../diagnostics.ts";
import type { IrModule } from "../ir/ir.ts";
import { cse } from "./cse.ts";
import { dce } from "./dce.ts";
import { deadStores } from "./dead-stores.ts";
import { foldRanges } from "./fold-ranges.ts";
import { inline } from "./inline.ts";
import { lowerCompare } from "./lower-compare.ts";
import { lowerDivision } from "./lower-division.ts";
import { lowerMemory } from "./lower-memory.ts";
import { lowerSwitch } from "./lower-switch.ts";
import { mergeBlocks } from "./merge-blocks.ts";
import { mergeStores } from "./merge-stores.ts";
import { pack } from "./pack.ts";
import type { Pass, PassContext } from "./pass.ts";
import { promote } from "./promote.ts";
import { prove } from "./prove.ts";
import { hoistStores } from "./hoist-stores.ts";
import { shareAddresses } from "./share-addresses.ts";
import { shareSlots } from "./share-slots.ts";
import { shareRegions } from "./share-regions.ts";
import { hoistJoins } from "./hoist-joins.ts";
import { sink } from "./sink.ts";
import { simplify } from "./simplify.ts";
import { splitMasks } from "./split-masks.ts";
import { threadJumps } from "./thread-jumps.ts";
import { unroll } from "./unroll.ts";

/** Passes in the order in which they run; a pass may stand here more than once. */
export const PASSES: readonly Pass[] = [
  // One loopless function, so that everything after this sees the whole program.
  inline,
  simplify,
  unroll,
  simplify,
  mergeBlocks,
  // Variables become values, and what they hold folds.
  promote,
  lowerMemory,
  pack,
  promote,
  simplify,
  cse,
  sink,
  mergeBlocks,
  hoistJoins,
  threadJumps,
  simplify,
  foldRanges,
  prove,
  simplify,
  mergeBlocks,
  sink,
  threadJumps,
  simplify,
  mergeBlocks,
  // Comparisons and switches become what the machine has; the jumps that this makes are threaded.
  lowerCompare,
  lowerSwitch,
  lowerDivision,
  simplify,
  threadJumps,
  foldRanges,
  simplify,
  mergeBlocks,
  cse,
  // Memory: what nobody reads is not written, and the rest is written once and wide.
  shareSlots,
  deadStores,
  mergeStores,
  lowerMemory,
  hoistStores,
  simplify,
  dce,
  mergeBlocks,
  threadJumps,
  simplify,
  dce,
  mergeBlocks,
  splitMasks,
  // Last, because equal code is found most easily when it is as simple as it gets.
  shareRegions,
  simplify,
  threadJumps,
  dce,
  mergeBlocks,
  shareAddresses,
];

export interface OptimizeOptions {
  /** Most instruction slots of one program. */
  readonly maxInsns: number;
  /** Passes to switch off, by name; those marked `required` stay. */
  readonly without?: readonly string[];
  /** Called with the whole module after each pass. */
  readonly after?: (pass: string, module: IrModule) => void;
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
  for (const pass of PASSES) {
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
    options.after?.(pass.name, current);
    if (diagnostics.some((d) => d.severity === "error")) break;
  }
  return { module: current, diagnostics };
}
