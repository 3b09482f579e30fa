/** Work behind a join that does not depend on which way was taken goes in front of the decision. */
import { graphOf } from "../ir/graph.ts";
import { edges, type Block, type Func, type Inst } from "../ir/ir.ts";
import { endOperands, operands, resultOf } from "../ir/walk.ts";
import type { Pass } from "./pass.ts";

export const hoistJoins: Pass = {
  name: "hoist-joins",
  why: "The join is left with the next decision alone, which each way into it may have made already.",
  run: hoistAllJoins,
};

const pure = (inst: Inst): boolean =>
  inst.kind === "const" || inst.kind === "core" || inst.kind === "binary" || inst.kind === "unary";
const movable = (inst: Inst): boolean =>
  pure(inst) ||
  inst.kind === "load" ||
  inst.kind === "store" ||
  inst.kind === "ptradd" ||
  inst.kind === "global" ||
  inst.kind === "call";

export function hoistAllJoins(func: Func): Func {
  const graph = graphOf(func);
  const blocks = new Map<number, Block>(graph.order.map((b) => [b.id, b]));
  for (const { id } of graph.order) {
    const join = blocks.get(id)!;
    const top = graph.dominator.get(id);
    if (top === undefined || join.insts.length === 0 || join.loop || join.end.kind !== "branch") continue;
    // Only where the ways in differ in what the join decides on is there something to win.
    if (!endOperands(join.end).some((value) => join.params.some((param) => param.id === value.id))) continue;
    const from = [...new Set(graph.predecessors.get(id))];
    const head = blocks.get(top)!;
    const arms = from.filter((p) => p !== top);
    // Both ways of a branch may lead straight to the join, and differ in what they bring.
    const closed =
      head.end.kind === "branch" &&
      edges(head.end).every((e) => e.block === id || arms.includes(e.block)) &&
      arms.every((arm) => {
        const block = blocks.get(arm)!;
        return graph.predecessors.get(arm)!.length === 1 && block.end.kind === "jump" && block.insts.every(pure);
      });
    if (!closed) continue;
    const inner = new Set(join.params.map((p) => p.id));
    for (const arm of arms) {
      for (const param of blocks.get(arm)!.params) inner.add(param.id);
      for (const inst of blocks.get(arm)!.insts) inner.add(resultOf(inst)!.id);
    }
    if (!join.insts.every((inst) => movable(inst) && operands(inst).every((v) => !inner.has(v.id)))) continue;
    blocks.set(top, { ...head, insts: [...head.insts, ...join.insts] });
    blocks.set(id, { ...join, insts: [] });
  }
  return { ...func, blocks: graph.order.map((b) => blocks.get(b.id)!) };
}
