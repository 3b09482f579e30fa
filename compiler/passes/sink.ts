/** What only one way out of a block needs is computed on that way. */
import { dominance, graphOf } from "../ir/graph.ts";
import { edges, type Block, type Func, type Inst } from "../ir/ir.ts";
import { endOperands, operands, resultOf, visitUses } from "../ir/walk.ts";
import { callChanges } from "./effects.ts";
import { memoryOf } from "./memory.ts";
import type { Pass } from "./pass.ts";

export const sink: Pass = {
  name: "sink",
  why: "Other ways do not pay for it, and a block that is left with nothing but a decision can be threaded.",
  run: sinkAll,
};

export function sinkAll(func: Func): Func {
  const graph = graphOf(func);
  const dominates = dominance(graph);
  const usedIn = new Map<number, Set<number>>();
  const note = (id: number, block: number): void => {
    const found = usedIn.get(id);
    if (found) found.add(block);
    else usedIn.set(id, new Set([block]));
  };
  for (const block of graph.order) visitUses(block, (value) => note(value.id, block.id));
  const memory = memoryOf(func);
  /** Whether an instruction may change what a load reads. */
  const changes = (effect: Inst, load: Extract<Inst, { kind: "load" }>): boolean => {
    const place = memory.placeOf(load.base, load.offset);
    if (effect.kind === "call") return callChanges(effect, place, load.bytes, memory);
    if (effect.kind === "store")
      return memory.overlap(memory.placeOf(effect.base, effect.offset), effect.bytes, place, load.bytes);
    return true;
  };
  const arriving = new Map<number, Inst[]>();
  const blocks = graph.order.map((old): Block => {
    const block = { ...old, insts: [...(arriving.get(old.id) ?? []), ...old.insts] };
    const targets = edges(block.end)
      .map((e) => e.block)
      .filter((id) => graph.predecessors.get(id)!.length === 1 && !graph.block.get(id)!.loop);
    if (edges(block.end).length < 2 || targets.length === 0) return block;
    const needed = new Set<number>(endOperands(block.end).map((v) => v.id));
    for (const edge of edges(block.end)) for (const arg of edge.args) needed.add(arg.id);
    const kept: Inst[] = [];
    const effects: Inst[] = [];
    for (const inst of [...block.insts].reverse()) {
      const result = resultOf(inst);
      const movable =
        inst.kind === "binary" ||
        inst.kind === "unary" ||
        inst.kind === "ptradd" ||
        (inst.kind === "load" && !effects.some((effect) => changes(effect, inst)));
      const uses =
        result && movable && !needed.has(result.id)
          ? [...(usedIn.get(result.id) ?? [])].filter((id) => id !== block.id)
          : [];
      const to = uses.length > 0 ? targets.find((id) => uses.every((use) => dominates(id, use))) : undefined;
      if (to === undefined) {
        kept.push(inst);
        for (const value of operands(inst)) needed.add(value.id);
        if (
          inst.kind === "store" ||
          inst.kind === "zero" ||
          inst.kind === "copy" ||
          inst.kind === "atomic" ||
          inst.kind === "call"
        )
          effects.push(inst);
        continue;
      }
      for (const value of operands(inst)) note(value.id, to);
      arriving.set(to, [inst, ...(arriving.get(to) ?? [])]);
    }
    return { ...block, insts: kept.reverse() };
  });
  return { ...func, blocks };
}
