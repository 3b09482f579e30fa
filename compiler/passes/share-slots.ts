/** Stack variables of one size that are never needed at the same time become one variable. */
import { edges, type Func, type Inst, type Value } from "../ir/ir.ts";
import { graphOf } from "../ir/graph.ts";
import { slotLives } from "../ir/slot-lives.ts";
import { mapUses } from "../ir/walk.ts";
import type { Pass } from "./pass.ts";

export const shareSlots: Pass = {
  name: "share-slots",
  why: "The turns of a loop then use the same memory, so that what one turn stored need not be stored again, and equal code is equal.",
  needs: ["no-loops"],
  run: shareAllSlots,
};

export function shareAllSlots(func: Func): Func {
  const graph = graphOf(func);
  if (graph.order.some((b) => edges(b.end).some((e) => graph.position.get(e.block)! <= graph.position.get(b.id)!)))
    return func;
  const lives = slotLives(graph.order);
  const slots = graph.order.flatMap((b) => b.insts.filter((inst) => inst.kind === "slot"));
  const replaced = new Map<number, Value>();
  const kept: Extract<Inst, { kind: "slot" }>[] = [];
  const open = new Map<string, { slot: Value; name: string; until: number }[]>();
  for (const slot of [...slots].sort(
    (a, b) => (lives.get(a.result.id)?.from ?? 0) - (lives.get(b.result.id)?.from ?? 0),
  )) {
    const life = lives.get(slot.result.id);
    if (!life) continue;
    const key = `${slot.size} ${slot.align}`;
    const list = open.get(key) ?? [];
    open.set(key, list);
    // The same source variable in another copy of its code comes first: the two copies then stay equal.
    const idle = list.filter((other) => other.until < life.from);
    const free = idle.find((other) => other.name === slot.name) ?? idle[0];
    if (free) {
      replaced.set(slot.result.id, free.slot);
      free.until = life.to;
    } else {
      list.push({ slot: slot.result, name: slot.name, until: life.to });
      kept.push(slot);
    }
  }
  const blocks = graph.order.map((block, index) => ({
    ...block,
    insts: [...(index === 0 ? kept : []), ...block.insts.filter((inst) => inst.kind !== "slot")],
  }));
  return mapUses({ ...func, blocks }, (value) => replaced.get(value.id) ?? value);
}
