/** Values that can be one number only, comparisons that value ranges decide, and masks that clear nothing: dominated by an equal or stricter check. */
import { graphOf } from "../ir/graph.ts";
import type { Block, Func, Inst, Value } from "../ir/ir.ts";
import { constantsOf, definitions, mapUses, resolver } from "../ir/walk.ts";
import type { Pass } from "./pass.ts";
import { rangesOf } from "./ranges.ts";

export const foldRanges: Pass = {
  name: "fold-ranges",
  why: "A check that a dominating check makes superfluous costs a slot, and the verifier a state.",
  needs: ["no-loops"],
  run: foldAllRanges,
};

export function foldAllRanges(func: Func): Func {
  // A check that only we know to be superfluous may be what lets the verifier accept an access.
  const ranges = rangesOf(func, "verifier");
  const ours = rangesOf(func);
  const made = definitions(func);
  const constantOf = constantsOf(made);
  const idle = new Map<number, Value>();
  const simpler = (inst: Inst, block: Block): Inst[] => {
    if ((inst.kind === "binary" || inst.kind === "unary") && ours.reachable(block.id)) {
      // The number itself, which nobody has to know anything about to see it.
      const { min, max } = ours.at(block.id, inst.result);
      if (min === max) return [{ kind: "const", result: inst.result, value: min, span: inst.span }];
    }
    if (inst.kind === "binary" && inst.op === "and") {
      const mask = constantOf(inst.right);
      if (mask !== undefined && (ranges.at(block.id, inst.left).bits & ~mask) === 0n) {
        idle.set(inst.result.id, inst.left);
        return [];
      }
    }
    if (inst.kind === "unary" && inst.op === "bswap16") {
      // The upper half of a word whose lower half is known to be clear: the whole word's swap gives it.
      const half = made.get(inst.value.id);
      if (half?.kind === "binary" && half.op === "lshr" && half.left.type === "w32" && constantOf(half.right) === 16n)
        if ((ranges.at(block.id, half.left).bits & 0xffffn) === 0n)
          return [{ ...inst, op: "bswap32", value: half.left }];
    }
    return [inst];
  };
  const blocks = graphOf(func).order.map((block): Block => {
    const insts = block.insts.flatMap((inst) => simpler(inst, block));
    const { end } = block;
    const answer = end.kind === "branch" ? ranges.decide(block.id, end.op, end.left, end.right) : undefined;
    if (end.kind !== "branch" || answer === undefined) return { ...block, insts };
    return { ...block, insts, end: { kind: "jump", to: answer ? end.then : end.else, span: end.span } };
  });
  return mapUses({ ...func, blocks }, resolver(idle));
}
