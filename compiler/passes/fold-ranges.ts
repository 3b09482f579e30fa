/** Comparisons that value ranges decide: dominated by an equal or stricter one, or out of what a value can be. */
import type { Func } from "../ir/ir.ts";
import type { Pass } from "./pass.ts";
import { rangesOf } from "./ranges.ts";

export const foldRanges: Pass = {
  name: "fold-ranges",
  why: "A check that a dominating check makes superfluous costs a slot, and the verifier a state.",
  run: (func): Func => {
    // A check that only we know to be superfluous may be what lets the verifier accept an access.
    const ranges = rangesOf(func, "verifier");
    return {
      ...func,
      blocks: func.blocks.map((block) => {
        const { end } = block;
        if (end.kind !== "branch") return block;
        const answer = ranges.decide(block.id, end.op, end.left, end.right);
        if (answer === undefined) return block;
        return { ...block, end: { kind: "jump", to: answer ? end.then : end.else, span: end.span } };
      }),
    };
  },
};
