/** What holds of a function from some pass on: passes need it, make it or break it, and the order of passes is checked by it. */
import type { Kernel } from "../bpf/kernels.ts";
import { LEVELS } from "../bpf/isa.ts";
import { graphOf, loopsOf } from "../ir/graph.ts";
import type { Func, Inst } from "../ir/ir.ts";

const has = (func: Func, test: (inst: Inst) => boolean): boolean => func.blocks.some(({ insts }) => insts.some(test));

/** The tests by which one sees whether it holds. */
export const INVARIANTS = {
  /** Calls of functions of ours are expanded, or meant to stay. That is a decision, and does not show in the function. */
  "calls-decided": () => true,
  "no-loops": (func) => {
    const { loops, irreducible } = loopsOf(graphOf(func));
    return loops.length === 0 && irreducible === undefined;
  },
  /** Nothing is left to prove. */
  proved: (func) => !has(func, ({ kind }) => kind === "assume-fits" || kind === "assume-index"),
  /** Memory is read and written by single loads and stores. */
  "no-memory-ops": (func) => !has(func, ({ kind }) => kind === "zero" || kind === "copy"),
  /** Values are compared in branches only. */
  "no-compares": (func) => !has(func, ({ kind }) => kind === "compare"),
  "no-switches": (func) => func.blocks.every(({ end }) => end.kind !== "switch"),
  /** Where the instruction set has none. */
  "no-signed-division": (func, kernel) =>
    LEVELS[kernel.isa].signed || !has(func, (inst) => inst.kind === "binary" && /^s(div|mod)$/.test(inst.op)),
} as const satisfies Record<string, (func: Func, kernel: Kernel) => boolean>;

export type Invariant = keyof typeof INVARIANTS;

/** What the backend takes. */
export const AT_THE_END = Object.keys(INVARIANTS) as readonly Invariant[];
