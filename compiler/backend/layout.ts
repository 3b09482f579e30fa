/** Order of the blocks: jumps go forward only, and a block stands behind a predecessor that then need not jump to it. */
import { NEGATED } from "../bpf/isa.ts";
import { successors, type MachineBlock, type Reg } from "./insn.ts";

/** The blocks in a topological order with many fall-throughs. Unreachable blocks are left out, because kernels reject them. */
export function orderBlocks(blocks: readonly MachineBlock<Reg>[]): MachineBlock<Reg>[] {
  const [entry] = blocks;
  if (!entry) return [];
  const byId = new Map(blocks.map((block) => [block.id, block]));
  const missing = new Map<number, number>();
  const reachable = new Set([entry.id]);
  const work = [entry.id];
  for (let id = work.pop(); id !== undefined; id = work.pop())
    for (const to of new Set(successors(byId.get(id)!.end))) {
      missing.set(to, (missing.get(to) ?? 0) + 1);
      if (!reachable.has(to)) {
        reachable.add(to);
        work.push(to);
      }
    }
  const order: MachineBlock<Reg>[] = [];
  // Blocks all of whose predecessors are placed; the one that became so last is taken first, which keeps paths together.
  const ready: number[] = [entry.id];
  while (ready.length > 0) {
    const id = ready.pop()!;
    const block = byId.get(id)!;
    order.push(block);
    // The last one pushed comes next. A condition without a negation can only fall through to its other target.
    const targets = [...new Set(successors(block.end))];
    const next = block.end.kind === "branch" && !NEGATED[block.end.op] ? targets : targets.reverse();
    for (const to of next) {
      const left = missing.get(to)! - 1;
      missing.set(to, left);
      if (left === 0) ready.push(to);
    }
  }
  return order;
}
