/**
 * Where the context pointer is. It arrives in r1, which every call leaves undefined: code before the first call on its way
 * reads it from there, and only ways that need it later copy it to a register that calls preserve.
 */
import { edges, type Block, type Value } from "../ir/ir.ts";
import { commonDominator, type Graph } from "../ir/graph.ts";
import { operands, visitUses } from "../ir/walk.ts";

export interface ContextPlan {
  /** Blocks that begin with the context in r1. */
  readonly arrives: ReadonlySet<number>;
  /** Blocks that make the copy: before their first call, or at their end when they have none. */
  readonly saves: ReadonlySet<number>;
  /** Blocks that put the copy back into r1 at their end. */
  readonly restores: ReadonlySet<number>;
}

export function planContext(graph: Graph, context: Value): ContextPlan {
  const firstCall = (block: Block): number => block.insts.findIndex((inst) => inst.kind === "call");
  const reads = (block: Block): boolean => {
    let found = false;
    visitUses(block, (value) => (found ||= value.id === context.id));
    return found;
  };
  const needed = new Set<number>();
  for (const block of [...graph.order].reverse())
    if (reads(block) || edges(block.end).some((edge) => needed.has(edge.block))) needed.add(block.id);

  const arrives = new Set<number>();
  const leavesWithIt = new Set<number>();
  const restores = new Set<number>();
  for (const block of graph.order) {
    const from = [...new Set(graph.predecessors.get(block.id))];
    const without = from.filter((id) => !leavesWithIt.has(id));
    const [only, ...more] = without;
    if (only === undefined) arrives.add(block.id);
    else if (
      more.length === 0 &&
      from.length > 1 &&
      graph.block.get(only)!.end.kind === "jump" &&
      callsFirst(block, context)
    ) {
      // One move on that way saves the one in front of the call here.
      restores.add(only);
      arrives.add(block.id);
    }
    if (arrives.has(block.id) && firstCall(block) < 0) leavesWithIt.add(block.id);
  }

  const wanted: number[] = [];
  for (const block of graph.order) {
    if (!arrives.has(block.id)) continue;
    const call = firstCall(block);
    const after = edges(block.end).some((e) => needed.has(e.block) && (call >= 0 || !arrives.has(e.block)));
    if (call < 0 ? after : after || reads({ ...block, insts: block.insts.slice(call + 1) })) wanted.push(block.id);
  }
  // One copy above all that need it is a slot less than one for each.
  const top = wanted.length > 1 ? wanted.reduce((a, b) => commonDominator(graph, a, b)) : wanted[0];
  return { arrives, saves: new Set(top === undefined ? [] : [top]), restores };
}

/** Whether the first call of a block is given the context, which then has to be in r1. */
function callsFirst(block: Block, context: Value): boolean {
  const call = block.insts.find((inst) => inst.kind === "call");
  return call !== undefined && operands(call)[0]?.id === context.id;
}
