/** The order of the passes, in groups that have names, and what is wrong with an order. */
import { cse } from "./cse.ts";
import { dce } from "./dce.ts";
import { deadStores } from "./dead-stores.ts";
import { delayLoads } from "./delay-loads.ts";
import { foldRanges } from "./fold-ranges.ts";
import { hoistJoins } from "./hoist-joins.ts";
import { hoistStores } from "./hoist-stores.ts";
import { inline } from "./inline.ts";
import { AT_THE_END, type Invariant } from "./invariants.ts";
import { lowerCompare } from "./lower-compare.ts";
import { lowerDivision } from "./lower-division.ts";
import { lowerMemory } from "./lower-memory.ts";
import { lowerSwitch } from "./lower-switch.ts";
import { mergeBlocks } from "./merge-blocks.ts";
import { mergeStores } from "./merge-stores.ts";
import { pack } from "./pack.ts";
import type { Pass } from "./pass.ts";
import { promote } from "./promote.ts";
import { prove } from "./prove.ts";
import { shareAddresses } from "./share-addresses.ts";
import { shareRegions } from "./share-regions.ts";
import { shareSlots } from "./share-slots.ts";
import { simplify } from "./simplify.ts";
import { sink } from "./sink.ts";
import { splitMasks } from "./split-masks.ts";
import { threadJumps } from "./thread-jumps.ts";
import { unroll } from "./unroll.ts";

export interface Group {
  /** For `--print-after`: what the group has made of the program. */
  readonly name: string;
  readonly why: string;
  readonly passes: readonly Pass[];
}

/** Passes in the order in which they run; a pass may stand here more than once. */
export const GROUPS: readonly Group[] = [
  {
    name: "expansion",
    why: "Calls and loops are expanded, so that everything after this sees the whole program.",
    passes: [inline, simplify, unroll, simplify, mergeBlocks],
  },
  {
    name: "values",
    why: "Variables become values, and what they hold folds.",
    passes: [promote, lowerMemory, pack, promote, simplify, cse, sink, mergeBlocks, hoistJoins, threadJumps, simplify],
  },
  {
    name: "proofs",
    why: "What the program assumes of its values follows from their ranges, or is reported.",
    passes: [foldRanges, prove, simplify, mergeBlocks, sink, threadJumps, simplify, mergeBlocks],
  },
  {
    name: "lowering",
    why: "Comparisons and switches become what the machine has; the jumps that this makes are threaded.",
    passes: [lowerCompare, lowerSwitch, lowerDivision, simplify, threadJumps, foldRanges, simplify, mergeBlocks, cse],
  },
  {
    name: "memory",
    why: "What nobody reads is not written, and the rest is written once and wide.",
    passes: [
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
    ],
  },
  {
    name: "sharing",
    why: "Last, because equal code is found most easily when it is as simple as it gets.",
    passes: [shareRegions, simplify, threadJumps, dce, mergeBlocks, shareAddresses, delayLoads],
  },
];

/** Every pass with the name of its group. */
export const STEPS: readonly { readonly group: string; readonly pass: Pass }[] = GROUPS.flatMap(({ name, passes }) =>
  passes.map((pass) => ({ group: name, pass })),
);
export const PASSES: readonly Pass[] = STEPS.map(({ pass }) => pass);

/** What is wrong with an order of passes: who stands before what it needs, and what does not hold at the end. */
export function orderProblems(groups: readonly Group[]): string[] {
  const holds = new Set<Invariant>();
  const made = new Map<Invariant, string>();
  const problems: string[] = [];
  const missing = (what: Invariant, who: string): void => {
    const by = made.get(what);
    const lost = by === undefined ? "nothing before it makes that" : `${by} has broken it`;
    problems.push(`${who} needs ${what}: ${lost}`);
  };
  for (const group of groups) {
    for (const pass of group.passes) {
      for (const what of pass.needs ?? []) if (!holds.has(what)) missing(what, `${group.name}/${pass.name}`);
      for (const what of pass.breaks ?? []) if (holds.delete(what)) made.set(what, `${group.name}/${pass.name}`);
      for (const what of pass.makes ?? []) holds.add(what);
    }
  }
  for (const what of AT_THE_END) if (!holds.has(what)) missing(what, "the backend");
  return problems;
}

const problems = orderProblems(GROUPS);
if (problems.length > 0) throw new Error(`the passes are in a wrong order:\n${problems.join("\n")}`);
