/** What is loaded for a store is loaded just before it. */
import type { Block, Func, Inst } from "../ir/ir.ts";
import { resultOf, visitUses } from "../ir/walk.ts";
import { memoryOf, type Memory } from "./memory.ts";
import type { Pass } from "./pass.ts";

export const delayLoads: Pass = {
  name: "delay-loads",
  why: "`new S({ … })` evaluates all of its fields and stores them then: what waits meanwhile fills the registers, and then the stack.",
  needs: ["no-memory-ops"],
  run: delayAll,
};

/** Fewer values that wait fit the registers, and a load far from its use is ready when it is needed. */
const WAITING = 6;

type Load = Extract<Inst, { kind: "load" }>;

export function delayAll(func: Func): Func {
  const uses = new Map<number, number>();
  for (const block of func.blocks) visitUses(block, ({ id }) => void uses.set(id, (uses.get(id) ?? 0) + 1));
  const memory = memoryOf(func);
  return { ...func, blocks: func.blocks.map((block) => delayIn(block, (id) => uses.get(id) === 1, memory)) };
}

/** Loads that nothing but a store of this block reads, with nothing between the two that may change what is loaded: before the store. */
function delayIn(block: Block, once: (id: number) => boolean, memory: Memory): Block {
  const loads = new Map<number, Load>();
  const before = new Map<Inst, Load>();
  let waiting = 0;
  let most = 0;
  for (const inst of block.insts) {
    if (inst.kind === "store" && loads.has(inst.value.id)) {
      before.set(inst, loads.get(inst.value.id)!);
      loads.delete(inst.value.id);
      waiting--;
    }
    for (const [id, load] of loads)
      if (changes(inst, load, memory)) {
        loads.delete(id);
        waiting--;
      }
    const result = resultOf(inst);
    if (inst.kind === "load" && result && once(result.id)) {
      loads.set(result.id, inst);
      most = Math.max(most, ++waiting);
    }
  }
  if (most <= WAITING || before.size === 0) return block;
  const moved = new Set<Inst>(before.values());
  return {
    ...block,
    insts: block.insts.flatMap((inst) =>
      moved.has(inst) ? [] : before.has(inst) ? [before.get(inst)!, inst] : [inst],
    ),
  };
}

/** Whether an instruction may change what the load reads, or end the life of what it points to. */
function changes(inst: Inst, load: Load, memory: Memory): boolean {
  switch (inst.kind) {
    case "store":
      return memory.overlap(
        memory.placeOf(inst.base, inst.offset),
        inst.bytes,
        memory.placeOf(load.base, load.offset),
        load.bytes,
      );
    case "call":
    case "atomic":
    case "zero":
    case "copy":
      return true;
    default:
      return false;
  }
}
