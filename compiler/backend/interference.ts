/** Which registers may not be one, which are copied to each other, and what keeping each in memory would cost. */
import { liveAtEnd, walkBackward } from "./liveness.ts";
import { endReads, FIRST_VIRTUAL, reads, writes, type MachineFunc, type Virtual } from "./insn.ts";

/** A copy from one register to another. */
export interface Copy {
  readonly to: number;
  readonly from: number;
}

export interface Interference {
  /** Every register that is read or written. */
  readonly present: ReadonlySet<number>;
  /** Those that a virtual register may not be one with. Real ones have none here: nobody asks, and they would have thousands. */
  readonly neighbours: readonly Set<number>[];
  readonly copies: readonly Copy[];
  /** Slots that spilling would add. */
  readonly cost: number[];
  /** Whether every definition is cheap to do again. */
  readonly again: boolean[];
}

export const isReal = (register: number): boolean => register < FIRST_VIRTUAL;

/** Whether two registers may not be one, at least one of them virtual. */
export const interfere = (neighbours: readonly ReadonlySet<number>[], a: number, b: number): boolean =>
  isReal(a) ? neighbours[b]!.has(a) : neighbours[a]!.has(b);

/** Records that two registers may not be one. */
export function connect(neighbours: readonly Set<number>[], a: number, b: number): void {
  if (!isReal(a)) neighbours[a]!.add(b);
  if (!isReal(b)) neighbours[b]!.add(a);
}

export function interferenceOf(func: MachineFunc<Virtual>): Interference {
  const count = func.registers;
  const neighbours: Set<number>[] = Array.from({ length: count }, () => new Set());
  const copied = new Array<number>(count).fill(0);
  const used = new Array<number>(count).fill(0);
  const defined = new Array<number>(count).fill(0);
  const madeIn = new Array<number>(count).fill(1);
  const again = new Array<boolean>(count).fill(true);
  const copies: Copy[] = [];
  const present = new Set<number>();

  const live = liveAtEnd(func.blocks);
  for (const block of func.blocks) {
    const walking = new Set<number>(live.get(block.id));
    for (const read of endReads(block.end)) used[read]!++;
    walkBackward(block, walking, (at, after) => {
      const insn = block.insns[at]!;
      const source = insn.kind === "mov" && "reg" in insn.src ? insn.src.reg : undefined;
      for (const written of writes<Virtual>(insn)) {
        present.add(written);
        defined[written]!++;
        if (insn.kind === "lddw" || insn.kind === "address") madeIn[written] = 2;
        if (!insn.again) again[written] = false;
        for (const other of after) if (other !== written && other !== source) connect(neighbours, written, other);
      }
      for (const read of reads(insn)) {
        present.add(read);
        if (insn.kind === "mov" && insn.wide) copied[read]!++;
        else used[read]!++;
      }
      // A 32-bit move changes the upper half, so its two registers may only be one when the move stays: it is not a copy.
      if (insn.kind === "mov" && insn.wide && source !== undefined) copies.push({ to: insn.dst, from: source });
    });
  }

  // What can be made again replaces the move that copies it; anything else is loaded for each use and stored when made.
  const cost = new Array<number>(count).fill(0);
  for (const n of present)
    cost[n] = again[n]
      ? copied[n]! * (madeIn[n]! - 1) + (used[n]! - defined[n]!) * madeIn[n]!
      : copied[n]! + used[n]! + defined[n]!;
  return { present, neighbours, copies, cost, again };
}
