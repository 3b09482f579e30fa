/** The basic blocks of one function of a program, found by following control flow from its first slot. */
import { endsFlow, jumpTarget, type LinkedProgram } from "../program.ts";

export interface BasicBlock {
  /** First slot. */
  readonly start: number;
  /** Slots of its instructions, in order. */
  readonly slots: readonly number[];
}

/** Blocks in ascending order of their slots. Control falls from a block only into the one that follows in this list. */
export function basicBlocks(program: LinkedProgram, entry: number): readonly BasicBlock[] {
  const { insns, wide } = program;
  const next = (slot: number): number => slot + (wide.has(slot) ? 2 : 1);
  const leaders = new Set<number>([entry]);
  const seen = new Uint8Array(insns.length);
  const work = [entry];
  while (work.length > 0) {
    let slot = work.pop()!;
    while (!seen[slot]) {
      seen[slot] = 1;
      const insn = insns[slot]!;
      const target = jumpTarget(insn, slot);
      if (target !== undefined) {
        leaders.add(target);
        work.push(target);
        if (!endsFlow(insn)) leaders.add(next(slot));
      }
      if (endsFlow(insn)) break;
      slot = next(slot);
    }
  }
  const blocks: BasicBlock[] = [];
  for (const start of [...leaders].sort((a, b) => a - b)) {
    const slots: number[] = [];
    for (let slot = start; ; slot = next(slot)) {
      slots.push(slot);
      const insn = insns[slot]!;
      if (endsFlow(insn) || jumpTarget(insn, slot) !== undefined || leaders.has(next(slot))) break;
    }
    blocks.push({ start, slots });
  }
  return blocks;
}
