/** Which registers are live at the end of each block. Jumps go forward only, so one backward walk finds it. */
import { endReads, reads, successors, writes, type MachineBlock, type Reg } from "./insn.ts";

/** Live registers at each block's end, by block id. `blocks` holds each block before its successors. */
export function liveAtEnd<R extends number>(blocks: readonly MachineBlock<R>[]): Map<number, ReadonlySet<number>> {
  const atStart = new Map<number, Set<number>>();
  const atEnd = new Map<number, Set<number>>();
  for (const block of [...blocks].reverse()) {
    const live = new Set<number>();
    for (const to of successors(block.end)) for (const register of atStart.get(to) ?? []) live.add(register);
    atEnd.set(block.id, live);
    const walking = new Set(live);
    walkBackward(block, walking, () => undefined);
    atStart.set(block.id, walking);
  }
  return atEnd;
}

/** Goes through a block from its end, keeping `live` up to date; `visit` sees what is live after each instruction. */
export function walkBackward<R extends number>(
  block: MachineBlock<R>,
  live: Set<number>,
  visit: (index: number, liveAfter: ReadonlySet<number>) => void,
): void {
  for (const register of endReads(block.end)) live.add(register);
  for (let at = block.insns.length - 1; at >= 0; at--) {
    const insn = block.insns[at]!;
    visit(at, live);
    for (const register of writes<R | Reg>(insn)) live.delete(register);
    for (const register of reads<R | Reg>(insn)) live.add(register);
  }
}
