/** Which addresses are worth a register of their own instead of being made at each use. */
import { commonDominator, type Graph } from "../ir/graph.ts";
import type { Inst, Value } from "../ir/ir.ts";
import { operands, visitUses } from "../ir/walk.ts";

/** Fewer uses than this do not pay for the two slots that the address takes once, and for the register. */
const WORTH_KEEPING = 4;

/**
 * Addresses of stack variables, maps and globals that are worth a register, by the block where they are put into it: the
 * nearest one that dominates all uses. The allocator makes them again at each use when it runs out of registers.
 */
export function keptAddresses(graph: Graph, made: ReadonlyMap<number, Inst>): Map<number, Value[]> {
  const uses = new Map<number, { value: Value; blocks: number[] }>();
  const see = (value: Value, block: number): void => {
    const inst = made.get(value.id);
    if (inst?.kind !== "slot" && inst?.kind !== "map" && inst?.kind !== "global") return;
    const found = uses.get(value.id);
    if (found) found.blocks.push(block);
    else uses.set(value.id, { value, blocks: [block] });
  };
  for (const block of graph.order) {
    for (const inst of block.insts) {
      for (const value of operands(inst)) {
        const access =
          (inst.kind === "load" || inst.kind === "store" || inst.kind === "atomic") && inst.base.id === value.id;
        if (access && made.get(value.id)?.kind === "slot") continue;
        see(value, block.id);
      }
    }
    visitUses({ ...block, insts: [] }, (value) => see(value, block.id));
  }
  const at = new Map<number, Value[]>();
  // Events that exclude each other get their own copies: other events then do not pay.
  const place = (value: Value, blocks: readonly number[]): void => {
    if (blocks.length < WORTH_KEEPING) return;
    const top = blocks.reduce((a, b) => commonDominator(graph, a, b));
    const parts = new Map<number, number[]>();
    for (const block of blocks) {
      let child = block;
      while (child !== top && graph.dominator.get(child) !== top) child = graph.dominator.get(child)!;
      const part = parts.get(child);
      if (part) part.push(block);
      else parts.set(child, [block]);
    }
    const large = [...parts.values()].filter((part) => part.length >= WORTH_KEEPING);
    if (parts.size > 1 && large.length > 1) {
      for (const part of large) place(value, part);
      return;
    }
    const list = at.get(top);
    if (list) list.push(value);
    else at.set(top, [value]);
  };
  for (const { value, blocks } of uses.values()) place(value, blocks);
  return at;
}
