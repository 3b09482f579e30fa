/** What the backend takes: IR that is left with what the instruction set has. */
import type { Func } from "./ir.ts";

const LOWERED_BY = {
  compare: "lower-compare",
  zero: "lower-memory",
  copy: "lower-memory",
  sdiv: "lower-division",
  smod: "lower-division",
  switch: "lower-switch",
} as const;

/**
 * The first thing in a function that has no instruction, and the pass that should have replaced it; undefined for IR that can be
 * emitted. `signedDivision`: whether the instruction set has it.
 */
export function notLowered(func: Func, signedDivision: boolean): string | undefined {
  const say = (what: keyof typeof LOWERED_BY): string => `${func.name} has a ${what}: ${LOWERED_BY[what]} runs before`;
  for (const { insts, end } of func.blocks) {
    for (const inst of insts) {
      if (inst.kind === "compare" || inst.kind === "zero" || inst.kind === "copy") return say(inst.kind);
      if (inst.kind === "binary" && !signedDivision && (inst.op === "sdiv" || inst.op === "smod")) return say(inst.op);
    }
    if (end.kind === "switch") return say(end.kind);
  }
  return undefined;
}
