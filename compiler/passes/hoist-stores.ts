/** A field of a stack variable that only ever gets one value is stored once, above everything that needs it. */
import { graphOf, type Graph } from "../ir/graph.ts";
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
    for (const group of groups.values()) {
      const [first] = group;
      if (!first || group.length < LEAST) continue;
      const end = first.offset + first.store.bytes;
      const alone = list.every(
        (other) => group.includes(other) || other.offset >= end || other.offset + other.store.bytes <= first.offset,
      );
      if (!alone) continue;
      const at = group.map((entry) => entry.block).reduce((a, b) => commonDominator(graph, a, b));
      const from = home.get(first.store.value.id);
      // The value must be there, in that block or above it.
      if (from !== undefined && commonDominator(graph, from, at) !== from) continue;
      for (const entry of group) removed.add(entry.store);
      const here = added.get(at) ?? [];
      here.push({ ...first.store });
      added.set(at, here);
    }
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

function commonDominator(graph: Graph, a: number, b: number): number {
  let x = a;
  let y = b;
  while (x !== y) {
    if (graph.position.get(x)! > graph.position.get(y)!) x = graph.dominator.get(x)!;
    else y = graph.dominator.get(y)!;
  }
  return x;
}
