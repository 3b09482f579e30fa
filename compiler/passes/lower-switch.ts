/** A switch becomes comparisons one after another: one slot per case, which is the fewest there can be. */
import type { Block, Edge, Func, Value } from "../ir/ir.ts";
import { freshBlocks, freshValues } from "../ir/walk.ts";
import type { Pass } from "./pass.ts";

export const lowerSwitch: Pass = {
  name: "lower-switch",
  why: "The instruction set has no jump table.",
  required: true,
  run: lowerSwitches,
};

export function lowerSwitches(func: Func): Func {
  if (!func.blocks.some((block) => block.end.kind === "switch")) return func;
  const blockId = freshBlocks(func);
  const value = freshValues(func);
  const blocks = func.blocks.flatMap((block): Block[] => {
    const { end } = block;
    if (end.kind !== "switch") return [block];
    const { span } = end;
    const made: Block[] = [];
    let head: Block = block;
    end.cases.forEach((chosen, at) => {
      const right: Value = value(end.value.type);
      const last = at === end.cases.length - 1;
      const next: Edge = last ? end.default : { block: blockId(), args: [] };
      made.push({
        ...head,
        insts: [...head.insts, { kind: "const", result: right, value: chosen.value, span }],
        end: { kind: "branch", op: "eq", left: end.value, right, then: chosen.to, else: next, span },
      });
      head = { id: next.block, params: [], insts: [], end };
    });
    return made.length > 0 ? made : [{ ...block, end: { kind: "jump", to: end.default, span } }];
  });
  return { ...func, blocks };
}
