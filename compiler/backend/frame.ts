/** Places of variables and spilled values in the stack frame. */
import type { FrameVariable, MachineFunc, Reg } from "./insn.ts";

export interface FrameLayout {
  /** Offset from r10 of each piece of the frame, negative. */
  readonly offsets: readonly number[];
  /** Bytes used, a multiple of 8. */
  readonly size: number;
}

/**
 * Places the frame's pieces: larger first, each at the lowest place that no piece alive at the same time takes. Spilled
 * values get a part of their own, because the verifier tracks what was spilled there.
 */
export function layOutFrame(func: MachineFunc<Reg>): FrameLayout {
  const lives = spillLives(func);
  const offsets = new Array<number>(func.frame.length).fill(0);
  let size = 0;
  for (const kind of ["variable", "spill"] as const) {
    const placed: { start: number; end: number; life: FrameVariable["life"] }[] = [];
    const floor = Math.ceil(size / 8) * 8;
    const members = func.frame
      .map((variable, index) => ({ variable, index, life: lives.get(index) ?? variable.life }))
      .filter(({ variable, index }) => variable.kind === kind && (kind === "variable" || lives.has(index)))
      .sort((a, b) => b.variable.align - a.variable.align || b.variable.size - a.variable.size || a.index - b.index);
    for (const { variable, index, life } of members) {
      const rivals = placed
        .filter((other) => other.life.from <= life.to && life.from <= other.life.to)
        .sort((a, b) => a.start - b.start);
      // Distances grow downward from the frame pointer; the piece ends (lowest address) at a multiple of its alignment.
      let start = floor;
      let end = place(start, variable);
      for (const rival of rivals) {
        if (rival.start >= end || rival.end <= start) continue;
        start = rival.end;
        end = place(start, variable);
      }
      placed.push({ start: end - variable.size, end, life });
      offsets[index] = -end;
      size = Math.max(size, end);
    }
  }
  return { offsets, size: Math.ceil(size / 8) * 8 };
}

const place = (start: number, variable: FrameVariable): number =>
  Math.ceil((start + variable.size) / variable.align) * variable.align;

/** Positions of the first and last access to each spilled value. */
function spillLives(func: MachineFunc<Reg>): Map<number, FrameVariable["life"]> {
  const lives = new Map<number, { from: number; to: number }>();
  let position = 0;
  for (const block of func.blocks)
    for (const insn of block.insns) {
      position++;
      if (!("base" in insn) || !("frame" in insn.base)) continue;
      if (func.frame[insn.base.frame]!.kind !== "spill") continue;
      const life = lives.get(insn.base.frame);
      if (life) life.to = position;
      else lives.set(insn.base.frame, { from: position, to: position });
    }
  return lives;
}
