/** A field of a stack variable that only ever gets one value is stored once, above everything that needs it. */
import { commonDominator, graphOf, type Graph } from "../ir/graph.ts";
import { edges, type Func, type Inst, type Value } from "../ir/ir.ts";
import { definitions, freshValues, operands } from "../ir/walk.ts";
import { argumentAccess, helperOf } from "./effects.ts";
import { memoryOf } from "./memory.ts";
import type { Pass } from "./pass.ts";
import { originOf } from "./pointers.ts";

export const hoistStores: Pass = {
  name: "hoist-stores",
  why: "Unrolled turns fill in the constant and unchanging parts of their arguments again each time.",
  needs: ["no-loops", "no-memory-ops"],
  run: hoistAll,
};

type Store = Extract<Inst, { kind: "store" }>;
/** Fewer equal stores than this are left where they are: where they run may be a path that is seldom taken. */
const LEAST = 3;

interface Entry {
  readonly store: Store;
  readonly block: number;
  /** From the start of the slot. */
  readonly offset: number;
}
/** What an instruction does to a slot, in the order of its block. */
type Access = { readonly writes: Entry } | { readonly reads: { readonly offset: number; readonly bytes: number } };

export function hoistAll(func: Func): Func {
  const graph = graphOf(func);
  if (graph.order.some((b) => edges(b.end).some((e) => graph.position.get(e.block)! <= graph.position.get(b.id)!)))
    return func;
  const made = definitions(func);
  const value = freshValues(func);
  const memory = memoryOf(func);
  const home = new Map<number, number>();
  for (const block of graph.order) {
    for (const param of block.params) home.set(param.id, block.id);
    for (const inst of block.insts) if ("result" in inst && inst.result) home.set(inst.result.id, block.id);
  }
  const slots = slotAccesses(graph, made);

  const removed = new Set<Store>();
  const added = new Map<number, Inst[]>();
  for (const [slot, accesses] of slots) {
    if (!accesses || memory.escapes(slot.id)) continue;
    const groups = new Map<string, Entry[]>();
    for (const access of [...accesses.values()].flat()) {
      if (!("writes" in access)) continue;
      const { store, offset } = access.writes;
      const key = `${offset}:${store.bytes}:${valueKey(store.value, made)}`;
      const group = groups.get(key);
      if (group) group.push(access.writes);
      else groups.set(key, [access.writes]);
    }
    for (const group of [...groups.values()].flatMap((one) => split(one))) {
      const [first] = group;
      if (!first || group.length < LEAST) continue;
      const at = group.map((entry) => entry.block).reduce((a, b) => commonDominator(graph, a, b));
      const from = home.get(first.store.value.id);
      // The value must be there, in that block or above it; a constant is made again.
      const isThere = from === undefined || commonDominator(graph, from, at) === from;
      const number = isThere ? undefined : made.get(first.store.value.id);
      if (!isThere && number?.kind !== "const") continue;
      // Where this block has one of the stores, that one stays; else there is a new one at its end.
      const stays = group.find((entry) => entry.block === at);
      if (!unnoticed(graph, accesses, group, at, stays)) continue;
      // The groups after this one see it where it went.
      for (const entry of group) {
        if (entry === stays) continue;
        removed.add(entry.store);
        accesses.set(
          entry.block,
          accesses.get(entry.block)!.filter((one) => !("writes" in one && one.writes === entry)),
        );
      }
      if (stays) continue;
      const again = number?.kind === "const" ? [{ ...number, result: value(number.result.type) }] : [];
      const stored = again[0]?.result ?? first.store.value;
      const store: Store = { ...first.store, base: slot, offset: first.offset, value: stored };
      added.set(at, [...(added.get(at) ?? []), ...again, store]);
      accesses.set(at, [...(accesses.get(at) ?? []), { writes: { store, block: at, offset: first.offset } }]);
    }
  }
  /**
   * Stores of separate events are treated apart: no path has both. An event with few of them keeps its own, unless all have few: one
   * store above them then serves all.
   */
  function split(group: Entry[]): Entry[][] {
    if (group.length <= LEAST) return [group];
    const at = group.map((entry) => entry.block).reduce((a, b) => commonDominator(graph, a, b));
    const parts = new Map<number, Entry[]>();
    for (const entry of group) {
      let child = entry.block;
      while (child !== at && graph.dominator.get(child) !== at) child = graph.dominator.get(child)!;
      const part = parts.get(child);
      if (part) part.push(entry);
      else parts.set(child, [entry]);
    }
    const events = apart(graph, [...parts.keys()]).map((children) => ({
      stores: children.flatMap((child) => parts.get(child)!),
      // One that begins further down may be several again.
      further: children.length === 1 && children[0] !== at,
    }));
    const many = events.filter(({ stores }) => stores.length >= LEAST);
    if (events.length < 2 || many.length === 0) return [group];
    return many.flatMap(({ stores, further }) => (further ? split(stores) : [stores]));
  }
  if (removed.size === 0) return func;
  return {
    ...func,
    blocks: graph.order.map((block) => ({
      ...block,
      insts: [
        ...block.insts.filter((inst) => !(inst.kind === "store" && removed.has(inst))),
        ...(added.get(block.id) ?? []),
      ],
    })),
  };
}

/** Blocks, together with those that a path from them leads to. */
function apart(graph: Graph, blocks: readonly number[]): number[][] {
  const order = [...blocks].sort((a, b) => graph.position.get(a)! - graph.position.get(b)!);
  let groups: number[][] = [];
  /** By block: those of `blocks` from which a path leads to it. */
  const from = new Map<number, ReadonlySet<number>>();
  const last = graph.position.get(order.at(-1)!)!;
  for (const { id } of graph.order.slice(graph.position.get(order[0]!), last + 1)) {
    const before = graph.predecessors.get(id)!.flatMap((one) => from.get(one) ?? []);
    const all = before.length === 1 ? before[0]! : new Set(before.flatMap((one) => [...one]));
    if (!order.includes(id)) {
      if (all.size > 0) from.set(id, all);
      continue;
    }
    from.set(id, new Set([...all, id]));
    const met = groups.filter((group) => group.some((one) => all.has(one)));
    groups = [...groups.filter((group) => !met.includes(group)), [...met.flat(), id]];
  }
  return groups;
}

/** What each block does to each slot; undefined for a slot that something else than a store writes. */
function slotAccesses(
  graph: Graph,
  made: ReadonlyMap<number, Inst>,
): ReadonlyMap<Value, Map<number, Access[]> | undefined> {
  const found = new Map<Value, Map<number, Access[]> | undefined>();
  const note = (slot: Value, block: number, access: Access): void => {
    if (!found.has(slot)) found.set(slot, new Map());
    const blocks = found.get(slot);
    if (!blocks) return;
    const list = blocks.get(block);
    if (list) list.push(access);
    else blocks.set(block, [access]);
  };
  const all = { offset: 0, bytes: Infinity };
  for (const block of graph.order)
    for (const inst of block.insts) {
      const store = inst.kind === "store" ? inst.base.id : undefined;
      const helper = inst.kind === "call" ? helperOf(inst) : undefined;
      operands(inst).forEach((used, at) => {
        const { made: root, offset } = originOf(used, made);
        if (root?.kind !== "slot" || inst.kind === "ptradd") return;
        const slot = root.result;
        if (inst.kind === "store" && used.id === store && offset !== undefined)
          note(slot, block.id, { writes: { store: inst, block: block.id, offset: offset + inst.offset } });
        else if (inst.kind === "load")
          note(slot, block.id, {
            reads: offset === undefined ? all : { offset: offset + inst.offset, bytes: inst.bytes },
          });
        else if (inst.kind === "call" && !argumentAccess(helper?.args[at]).writes)
          // Whatever the helper is said to do with it: to read more than it does costs nothing but a chance.
          note(slot, block.id, { reads: all });
        else if (inst.kind !== "compare") found.set(slot, undefined);
      });
    }
  return found;
}

/**
 * Whether nobody can tell the group's stores from one at `at`. By byte of the store, on the way down from there: where memory may
 * hold something else than it did before the change (`other`: nothing may read it), and where it may no longer hold the group's value (`lost`:
 * none of the group's stores may be left out).
 */
function unnoticed(
  graph: Graph,
  accesses: ReadonlyMap<number, readonly Access[]>,
  group: readonly Entry[],
  at: number,
  stays: Entry | undefined,
): boolean {
  const [first] = group;
  const { offset } = first!;
  const whole = (1 << first!.store.bytes) - 1;
  const members = new Set(group);
  const bytes = (from: number, count: number): number => {
    let mask = 0;
    for (let byte = 0; byte < first!.store.bytes; byte++)
      if (offset + byte >= from && offset + byte < from + count) mask |= 1 << byte;
    return mask;
  };
  const ends = new Map<number, { other: number; lost: number }>();
  for (const block of graph.order.slice(graph.position.get(at))) {
    let other = 0;
    let lost = 0;
    let list = accesses.get(block.id) ?? [];
    if (block.id === at) {
      // Up to the store that stays nothing changes; without one, nothing does up to the block's end.
      list = stays ? list.slice(list.findIndex((one) => "writes" in one && one.writes === stays) + 1) : [];
      other = stays ? 0 : whole;
    } else {
      let below = false;
      for (const id of graph.predecessors.get(block.id)!) {
        const end = ends.get(id);
        below ||= end !== undefined;
        other |= end?.other ?? 0;
        lost |= end?.lost ?? whole;
      }
      if (!below) continue;
    }
    for (const access of list) {
      if ("reads" in access) {
        if (other & bytes(access.reads.offset, access.reads.bytes)) return false;
      } else if (members.has(access.writes)) {
        if (lost) return false;
        other = 0;
      } else {
        const mask = bytes(access.writes.offset, access.writes.store.bytes);
        other &= ~mask;
        lost |= mask;
      }
    }
    ends.set(block.id, { other, lost });
  }
  return true;
}

function valueKey(value: Value, made: ReadonlyMap<number, Inst>): string {
  const inst = made.get(value.id);
  return inst?.kind === "const" ? `${value.type}${inst.value}` : `%${value.id}`;
}
