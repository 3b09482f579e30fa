/** Joins blocks that always run one after the other, and skips blocks that only jump. */
import { graphOf } from "../ir/graph.ts";
import type { Block, Edge, End, Func, Value } from "../ir/ir.ts";
import { mapEnd, mapUses, resolver, visitUses } from "../ir/walk.ts";
import type { Pass } from "./pass.ts";

export const mergeBlocks: Pass = {
  name: "merge-blocks",
  why: "Longer blocks give the local passes more to see, and a block that only jumps costs a slot.",
  run: (func) => joinChains(skipEmpty(func)),
};

/** Edges to a block that only jumps go to its target. Targets are looked at first, so that whole chains go at once. */
function skipEmpty(func: Func): Func {
  const graph = graphOf(func);
  // A parameter may be read by dominated blocks behind the jump; then the block has to stay.
  const readElsewhere = new Set<number>();
  const home = new Map<number, number>();
  for (const block of graph.order) for (const param of block.params) home.set(param.id, block.id);
  for (const block of graph.order)
    visitUses(block, (value) => {
      const from = home.get(value.id);
      if (from !== undefined && from !== block.id) readElsewhere.add(from);
    });
  const onward = new Map<number, { block: Block; to: Edge }>();
  const follow = (edge: Edge): Edge => {
    const found = onward.get(edge.block);
    if (!found) return edge;
    const values = new Map(found.block.params.map((param, index) => [param.id, edge.args[index]!]));
    return { block: found.to.block, args: found.to.args.map((arg) => values.get(arg.id) ?? arg) };
  };
  const done = new Map<number, Block>();
  for (const block of [...graph.order].reverse()) {
    let end = mapEnd(block.end, (v) => v, follow);
    if (end.kind === "branch" && sameEdge(end.then, end.else)) end = { kind: "jump", to: end.then, span: end.span };
    done.set(block.id, { ...block, end });
    const entry = block.id === func.blocks[0]!.id;
    if (
      block.insts.length === 0 &&
      end.kind === "jump" &&
      !block.loop &&
      !entry &&
      end.to.block !== block.id &&
      !readElsewhere.has(block.id)
    )
      onward.set(block.id, { block, to: end.to });
  }
  const skipped = { ...func, blocks: graph.order.map((block) => done.get(block.id)!) };
  const reachable = graphOf(skipped).position;
  return { ...skipped, blocks: skipped.blocks.filter((b) => reachable.has(b.id)) };
}

const sameEdge = (a: Edge, b: Edge): boolean =>
  a.block === b.block && a.args.every((arg, at) => arg.id === b.args[at]!.id);

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
