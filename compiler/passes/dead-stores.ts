/** Drops stores into stack variables that nothing reads afterwards, byte by byte. */
import { edges, type Func, type Inst, type Value } from "../ir/ir.ts";
import { graphOf } from "../ir/graph.ts";
import { isPointer } from "../ir/types.ts";
import { definitions, operands } from "../ir/walk.ts";
import { argumentAccess, helperOf } from "./effects.ts";
import { memoryOf } from "./memory.ts";
import type { Pass } from "./pass.ts";
import { originOf } from "./pointers.ts";

export const deadStores: Pass = {
  name: "dead-stores",
  why: "A variable is zeroed whole and then written in part or in full: only what is read before it is written needs the zero.",
  needs: ["no-loops"],
  // What is left of a zeroing is a shorter one.
  breaks: ["no-memory-ops"],
  run: (func) => dropDeadStores(func),
};

/** Bytes of each slot that may still be read, as a bit mask by the slot's id. */
type Live = Map<number, bigint>;
const range = (offset: number, bytes: number): bigint => ((1n << BigInt(bytes)) - 1n) << BigInt(Math.max(offset, 0));

export function dropDeadStores(func: Func): Func {
  const graph = graphOf(func);
  const made = definitions(func);
  const memory = memoryOf(func);
  const sizes = new Map<number, number>();
  for (const inst of made.values()) if (inst.kind === "slot") sizes.set(inst.result.id, inst.size);
  if (sizes.size === 0) return func;
  const all = (slot: number): bigint => range(0, sizes.get(slot)!);
  const slotOf = (pointer: Value): { slot: number; offset: number | undefined } | undefined => {
    const { made: root, offset } = originOf(pointer, made);
    return root?.kind === "slot" ? { slot: root.result.id, offset } : undefined;
  };
  const readAll = (live: Live, slot: number): void => void live.set(slot, all(slot));
  const readEscaped = (live: Live): void => {
    for (const slot of sizes.keys()) if (memory.escapes(slot)) readAll(live, slot);
  };
  const read = (live: Live, base: Value, offset: number, bytes: number): void => {
    const found = slotOf(base);
    if (!found) return readEscaped(live);
    if (found.offset === undefined) readAll(live, found.slot);
    else live.set(found.slot, (live.get(found.slot) ?? 0n) | range(found.offset + offset, bytes));
  };

  const starts = new Map<number, Live>();
  const kept = new Map<number, readonly Inst[]>();
  for (const block of [...graph.order].reverse()) {
    const live: Live = new Map();
    for (const edge of edges(block.end)) {
      const start = starts.get(edge.block);
      // A back edge: everything may be read again.
      if (!start) for (const slot of sizes.keys()) readAll(live, slot);
      else for (const [slot, mask] of start) live.set(slot, (live.get(slot) ?? 0n) | mask);
    }
    const insts: Inst[] = [];
    for (let at = block.insts.length - 1; at >= 0; at--) {
      const inst = block.insts[at]!;
      const into = inst.kind === "store" || inst.kind === "zero" ? slotOf(inst.base) : undefined;
      if (
        (inst.kind === "store" || inst.kind === "zero") &&
        into &&
        into.offset !== undefined &&
        !memory.escapes(into.slot)
      ) {
        const mask = range(into.offset + inst.offset, inst.bytes);
        const needed = (live.get(into.slot) ?? 0n) & mask;
        if (needed === 0n) continue;
        live.set(into.slot, (live.get(into.slot) ?? 0n) & ~mask);
        insts.push(...(needed === mask ? [inst] : trimmed(inst, into.offset, needed, made)));
        continue;
      }
      insts.push(inst);
      switch (inst.kind) {
        case "load":
          read(live, inst.base, inst.offset, inst.bytes);
          break;
        case "copy":
          read(live, inst.from, inst.fromOffset, inst.bytes);
          break;
        case "atomic":
          read(live, inst.base, inst.offset, inst.bytes);
          break;
        case "call": {
          // What others were given before a function of ours or the kernel's may have kept.
          if (inst.target.kind !== "helper") readEscaped(live);
          const helper = helperOf(inst);
          const { name } = inst.target;
          inst.args.forEach((arg, index) => {
            if (!isPointer(arg.type)) return;
            const found = slotOf(arg);
            if (!argumentAccess(helper?.args[index]).reads && name !== "sk_storage_get") return;
            if (found) readAll(live, found.slot);
            else readEscaped(live);
          });
          break;
        }
        case "slot":
          live.delete(inst.result.id);
          break;
        default:
          for (const used of operands(inst)) if (isPointer(used.type) && inst.kind !== "ptradd") readEscaped(live);
      }
    }
    starts.set(block.id, live);
    kept.set(block.id, insts.reverse());
  }
  return { ...func, blocks: graph.order.map((block) => ({ ...block, insts: kept.get(block.id)! })) };
}

/** The part of a constant store whose bytes are needed; other stores stay whole. In reverse order, as the caller collects. */
function trimmed(
  inst: Extract<Inst, { kind: "store" | "zero" }>,
  from: number,
  needed: bigint,
  made: ReadonlyMap<number, Inst>,
): Inst[] {
  const constant = inst.kind === "store" ? made.get(inst.value.id) : undefined;
  if (inst.kind === "store" && !(constant?.kind === "const" && constant.value === 0n)) return [inst];
  const out: Inst[] = [];
  const first = from + inst.offset;
  for (let at = 0; at < inst.bytes;) {
    let end = at;
    while (end < inst.bytes && (needed >> BigInt(first + end)) & 1n) end++;
    if (end > at)
      out.push({ kind: "zero", base: inst.base, offset: inst.offset + at, bytes: end - at, align: 1, span: inst.span });
    at = Math.max(end, at + 1);
  }
  return out.reverse();
}
