/** Values that got no register: each use fetches them from the frame, or makes them again. */
import {
  endReads,
  insnKey,
  mapEndRegisters,
  mapRegisters,
  reads,
  writes,
  type FrameVariable,
  type Insn,
  type MachineBlock,
  type MachineFunc,
  type Virtual,
} from "./insn.ts";

/** Rewrites a function so that `spilled` live only around each instruction. */
export function spill(func: MachineFunc<Virtual>, spilled: ReadonlySet<number>): MachineFunc<Virtual> {
  const definitions = new Map<number, Insn<Virtual>[]>();
  for (const block of func.blocks)
    for (const insn of block.insns)
      for (const written of writes(insn))
        if (spilled.has(written)) {
          const list = definitions.get(written) ?? [];
          list.push(insn);
          definitions.set(written, list);
        }
  const recipe = (register: number): Insn<Virtual> | undefined => {
    const [only, ...more] = definitions.get(register) ?? [];
    if (!only?.again || !more.every((other) => other.again && insnKey(other) === insnKey(only))) return undefined;
    // What it is made from must itself still be there: a spilled operand would be fetched first.
    return reads(only).every((r) => !spilled.has(r)) ? only : undefined;
  };

  const frame: FrameVariable[] = [...func.frame];
  const slots = new Map<number, number>();
  const slotOf = (register: number): number => {
    let found = slots.get(register);
    if (found === undefined) {
      found = frame.length;
      frame.push({ kind: "spill", size: 8, align: 8, life: { from: 0, to: 0 } });
      slots.set(register, found);
    }
    return found;
  };
  let next = func.registers;
  const blocks = func.blocks.map((block): MachineBlock<Virtual> => {
    const out: Insn<Virtual>[] = [];
    const fetch = (register: Virtual, span: Insn<Virtual>["span"]): Virtual => {
      const made = recipe(register);
      const dst = next++ as Virtual;
      out.push(
        made
          ? mapRegisters(made, (r) => (r === register ? dst : r))
          : { kind: "load", dst, bytes: 8, base: { frame: slotOf(register) }, offset: 0, span },
      );
      return dst;
    };
    for (const insn of block.insns) {
      const read = [...new Set(reads(insn))].filter((r) => spilled.has(r));
      const written = [...new Set(writes(insn))].filter((r) => spilled.has(r));
      if (read.length === 0 && written.length === 0) {
        out.push(insn);
        continue;
      }
      if (written.length === 1 && recipe(written[0]!)) continue;
      const renamed = new Map<Virtual, Virtual>();
      for (const register of read) renamed.set(register, fetch(register, insn.span));
      for (const register of written) if (!renamed.has(register)) renamed.set(register, next++ as Virtual);
      out.push(mapRegisters(insn, (r) => renamed.get(r) ?? r));
      for (const register of written)
        out.push({
          kind: "store",
          bytes: 8,
          base: { frame: slotOf(register) },
          offset: 0,
          src: { reg: renamed.get(register)! },
          span: insn.span,
        });
    }
    const renamed = new Map<Virtual, Virtual>();
    for (const register of new Set(endReads(block.end)))
      if (spilled.has(register)) renamed.set(register, fetch(register, block.end.span));
    return { ...block, insns: out, end: mapEndRegisters(block.end, (r) => renamed.get(r) ?? r) };
  });
  return { ...func, blocks, frame, registers: next };
}
