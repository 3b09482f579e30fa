/** Joins blocks that always run one after the other, and skips blocks that only jump. */
import { graphOf } from "../ir/graph.ts";
import type { Block, Edge, End, Func, Value } from "../ir/ir.ts";
import { mapEnd, mapUses, resolver } from "../ir/walk.ts";
import type { Pass } from "./pass.ts";

export const mergeBlocks: Pass = {
  name: "merge-blocks",
  why: "Longer blocks give the local passes more to see, and a block that only jumps costs a slot.",
  run: (func) => joinChains(skipEmpty(func)),
};

/** Edges to a block that only jumps go to its target, where no argument would have to be made from a parameter. */
function skipEmpty(func: Func): Func {
  const empty = new Map<number, { block: Block; to: Edge }>();
  for (const block of func.blocks.slice(1))
    if (block.insts.length === 0 && block.end.kind === "jump" && !block.loop && block.end.to.block !== block.id)
      empty.set(block.id, { block, to: block.end.to });
  if (empty.size === 0) return func;
  // A parameter may be read by dominated blocks behind the jump; then the block has to stay.
  const readElsewhere = new Set<number>();
  const home = new Map<number, number>();
  for (const { block } of empty.values()) for (const param of block.params) home.set(param.id, block.id);
  if (home.size > 0) {
    const see =
      (at: number) =>
      (value: Value): Value => {
        const from = home.get(value.id);
        if (from !== undefined && from !== at) readElsewhere.add(from);
        return value;
      };
    for (const block of func.blocks) mapUses({ ...func, blocks: [block] }, see(block.id));
  }
  const follow = (edge: Edge): Edge => {
    let at = edge;
    for (let turns = 0; turns < empty.size; turns++) {
      const found = empty.get(at.block);
      if (!found || readElsewhere.has(at.block)) break;
      const args = at.args;
      const values = new Map(found.block.params.map((param, index) => [param.id, args[index]!]));
      at = { block: found.to.block, args: found.to.args.map((arg) => values.get(arg.id) ?? arg) };
    }
    return at;
  };
  const blocks = func.blocks.map((block) => ({ ...block, end: mapEnd(block.end, (v) => v, follow) }));
  const moved = { ...func, blocks };
  const reachable = graphOf(moved).position;
  return { ...moved, blocks: blocks.filter((b) => reachable.has(b.id)) };
}

function joinChains(func: Func): Func {
  const graph = graphOf(func);
  const replaced = new Map<number, Value>();
  const swallowed = new Set<number>();
  const blocks: Block[] = [];
  for (const first of graph.order) {
    if (swallowed.has(first.id)) continue;
    const insts = [...first.insts];
    let end: End = first.end;
    while (end.kind === "jump") {
      const next: Block = graph.block.get(end.to.block)!;
      if (graph.predecessors.get(next.id)!.length !== 1 || next.loop || next.id === first.id) break;
      const args: readonly Value[] = end.to.args;
      next.params.forEach((param, at) => replaced.set(param.id, args[at]!));
      insts.push(...next.insts);
      swallowed.add(next.id);
      end = next.end;
    }
    blocks.push({ ...first, insts, end });
  }
  const joined = { ...func, blocks };
  return replaced.size > 0 ? mapUses(joined, resolver(replaced)) : joined;
}
