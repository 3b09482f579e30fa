/** A field of a stack variable that only ever gets one value is stored once, above everything that needs it. */
import { commonDominator, graphOf, type Graph } from "../ir/graph.ts";
import { edges, type Func, type Inst, type Value } from "../ir/ir.ts";
import { definitions, operands } from "../ir/walk.ts";
import { argumentAccess, helperOf, memoryOf } from "./memory.ts";
import type { Pass } from "./pass.ts";
import { originOf } from "./pointers.ts";

export const hoistStores: Pass = {
  name: "hoist-stores",
  why: "Unrolled turns fill in the constant and unchanging parts of their arguments again each time.",
  run: hoistAll,
};

type Store = Extract<Inst, { kind: "store" }>;
/** Fewer equal stores than this are left where they are: where they run may be a path that is seldom taken. */
const LEAST = 3;
/** Each other store in the way is a walk over the graph; with more of them than this, nothing is hoisted. */
const MAX_RIVALS = 32;

export function hoistAll(func: Func): Func {
  const graph = graphOf(func);
  if (graph.order.some((b) => edges(b.end).some((e) => graph.position.get(e.block)! <= graph.position.get(b.id)!)))
    return func;
  const made = definitions(func);
  const memory = memoryOf(func, () => false);
  const home = new Map<number, number>();
  for (const block of graph.order) {
    for (const param of block.params) home.set(param.id, block.id);
    for (const inst of block.insts) if ("result" in inst && inst.result) home.set(inst.result.id, block.id);
  }
  /** Stores by slot; absent: something else writes the slot. */
  const stores = new Map<number, { store: Store; block: number; offset: number }[]>();
  const unfit = new Set<number>();
  const slotOf = (pointer: Value): { slot: number; offset: number | undefined } | undefined => {
    const { made: root, offset } = originOf(pointer, made);
    return root?.kind === "slot" ? { slot: root.result.id, offset } : undefined;
  };
  for (const block of graph.order)
    for (const inst of block.insts) {
      if (inst.kind === "store") {
        const to = slotOf(inst.base);
        if (!to) continue;
        if (to.offset === undefined) unfit.add(to.slot);
        else {
          const list = stores.get(to.slot) ?? [];
          list.push({ store: inst, block: block.id, offset: to.offset + inst.offset });
          stores.set(to.slot, list);
        }
      } else if (inst.kind === "call") {
        const helper = helperOf(inst);
        inst.args.forEach((arg, at) => {
          const to = slotOf(arg);
          if (to && argumentAccess(helper?.args[at]).writes) unfit.add(to.slot);
        });
      } else if (inst.kind === "zero" || inst.kind === "atomic" || inst.kind === "copy" || inst.kind === "invoke") {
        for (const used of operands(inst)) {
          const to = slotOf(used);
          if (to) unfit.add(to.slot);
        }
      }
    }

  const removed = new Set<Store>();
  const added = new Map<number, Store[]>();
  for (const [slot, list] of stores) {
    if (unfit.has(slot) || memory.escapes(slot)) continue;
    const groups = new Map<string, typeof list>();
    for (const entry of list) {
      const key = `${entry.offset}:${entry.store.bytes}:${valueKey(entry.store.value, made)}`;
      const group = groups.get(key);
      if (group) group.push(entry);
      else groups.set(key, [entry]);
    }
    const clusters = [...groups.values()].flatMap((group) => split(group));
    for (const group of clusters) {
      const [first] = group;
      if (!first || group.length < LEAST) continue;
      const at = group.map((entry) => entry.block).reduce((a, b) => commonDominator(graph, a, b));
      const from = home.get(first.store.value.id);
      // The value must be there, in that block or above it.
      if (from !== undefined && commonDominator(graph, from, at) !== from) continue;
      // Nothing on the way from there to where the stores stood may put something else in their place.
      const end = first.offset + first.store.bytes;
      const rivals = list.filter(
        (other) => !group.includes(other) && other.offset < end && first.offset < other.offset + other.store.bytes,
      );
      if (rivals.length > MAX_RIVALS) continue;
      const below = reachable(graph, at);
      const between = (id: number): boolean => {
        if (id === at) return true;
        if (!below.has(id)) return false;
        const onward = reachable(graph, id);
        return group.some((entry) => onward.has(entry.block));
      };
      if (rivals.some((rival) => between(rival.block))) continue;
      for (const entry of group) removed.add(entry.store);
      const here = added.get(at) ?? [];
      here.push({ ...first.store });
      added.set(at, here);
    }
  }
  /** Stores of separate events are treated apart: no path has both. */
  function split(group: { store: Store; block: number; offset: number }[]): (typeof group)[] {
    if (group.length < 2 * LEAST) return [group];
    const at = group.map((entry) => entry.block).reduce((a, b) => commonDominator(graph, a, b));
    const parts = new Map<number, typeof group>();
    for (const entry of group) {
      let child = entry.block;
      while (child !== at && graph.dominator.get(child) !== at) child = graph.dominator.get(child)!;
      const part = parts.get(child);
      if (part) part.push(entry);
      else parts.set(child, [entry]);
    }
    if (parts.size < 2 || [...parts.values()].some((part) => part.length < LEAST)) {
      // One event may hang off the chain of comparisons that chooses between the others.
      return [group];
    }
    return [...parts.values()].flatMap((part) => split(part));
  }
  if (removed.size === 0) return func;
  return {
    ...func,
    blocks: graph.order.map((block) => {
      const extra = added.get(block.id);
      const first = block.insts.findIndex((inst) => inst.kind === "store" && removed.has(inst));
      const insts = block.insts.filter((inst) => !(inst.kind === "store" && removed.has(inst)));
      if (!extra) return { ...block, insts };
      // Where this block had one of the stores, in its place; else at the end. Values made later in the block decide too.
      const place = first === -1 ? insts.length : first;
      return { ...block, insts: placed(insts, place, extra) };
    }),
  };
}

/** Puts the stores at `place`, or behind what makes their values and addresses. */
function placed(insts: readonly Inst[], place: number, extra: readonly Store[]): Inst[] {
  let at = Math.min(place, insts.length);
  insts.forEach((inst, index) => {
    const result = "result" in inst ? inst.result : undefined;
    if (result && extra.some((s) => s.value.id === result.id || s.base.id === result.id)) at = Math.max(at, index + 1);
  });
  return [...insts.slice(0, at), ...extra, ...insts.slice(at)];
}

function valueKey(value: Value, made: ReadonlyMap<number, Inst>): string {
  const inst = made.get(value.id);
  return inst?.kind === "const" ? `${value.type}${inst.value}` : `%${value.id}`;
}

/** Blocks that a path leads to, the block itself included. */
function reachable(graph: Graph, from: number): ReadonlySet<number> {
  const found = new Set([from]);
  const work = [from];
  for (let id = work.pop(); id !== undefined; id = work.pop())
    for (const edge of edges(graph.block.get(id)!.end))
      if (!found.has(edge.block)) {
        found.add(edge.block);
        work.push(edge.block);
      }
  return found;
}
