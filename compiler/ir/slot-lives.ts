/** From where to where each stack variable is needed, so that variables can share memory. */
import { edges, isFunctionCall, type Block } from "./ir.ts";
import { isPointer } from "./types.ts";
import { operands, resultOf, visitUses } from "./walk.ts";

/**
 * Positions of the first and last instruction that reads a pointer into each slot, by the slot's value. Positions count
 * along `order`, in which every path of a loopless function only moves forward.
 */
export function slotLives(order: readonly Block[]): Map<number, { from: number; to: number }> {
  const lives = new Map<number, { from: number; to: number }>();
  /** Slots that a pointer may point into. */
  const into = new Map<number, ReadonlySet<number>>();
  const params = new Map(order.map((block) => [block.id, block.params]));
  let position = 0;
  const touch = (value: { readonly id: number }): void => {
    for (const slot of into.get(value.id) ?? []) {
      const life = lives.get(slot);
      if (life) life.to = position;
      else lives.set(slot, { from: position, to: position });
    }
  };
  for (const block of order) {
    for (const inst of block.insts) {
      position++;
      operands(inst).forEach(touch);
      const result = resultOf(inst);
      if (inst.kind === "slot") into.set(inst.result.id, new Set([inst.result.id]));
      else if (isFunctionCall(inst) && result && isPointer(result.type)) {
        // A function may give back what it was given.
        const given = inst.args.flatMap((arg) => [...(into.get(arg.id) ?? [])]);
        if (given.length > 0) into.set(result.id, new Set(given));
      } else if (inst.kind === "ptradd" && result) {
        const from = into.get(inst.base.id);
        if (from) into.set(result.id, from);
      }
    }
    position++;
    visitUses({ ...block, insts: [] }, touch);
    for (const edge of edges(block.end))
      edge.args.forEach((arg, at) => {
        const from = into.get(arg.id);
        if (!from) return;
        const param = params.get(edge.block)![at]!;
        into.set(param.id, new Set([...(into.get(param.id) ?? []), ...from]));
      });
  }
  return lives;
}
