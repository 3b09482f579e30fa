/**
 * Code that changes nothing, for the verifier's sake: where it does not see that an offset lies in its array, a comparison right in
 * front of the addition shows it; where it holds a far sum of the offset's past against it, a shift by nothing makes it forget that;
 * where comparisons on a way that nothing takes have left it with knowledge that contradicts itself, a mask of all bits settles that.
 * Made last, when every value has its register, so that what was compared is what is added.
 */
import type { Insn, MachineBlock, Reg } from "./insn.ts";

/** An addition of an offset to an address. */
export interface BoundedOffset {
  readonly slot: number;
  /** The largest that the offset can be, in bytes. */
  readonly most: number;
}
/**
 * `compare`: it is not seen to be in bounds. `unlink`: it is linked with a register from which it is too far away. `settle`: what is
 * known of it contradicts itself, which makes a number of the sum.
 */
export type Guard = "compare" | "unlink" | "settle";
/** What to put in front of bounded offsets, by their number in the blocks' order. */
export type Guards = ReadonlyMap<number, ReadonlySet<Guard>>;
type Addition = Extract<Insn<Reg>, { kind: "alu" }> & { readonly most: number };
export const isBoundedOffset = (insn: Insn<Reg>): insn is Addition =>
  insn.kind === "alu" && insn.most !== undefined && "reg" in insn.src;

/** Puts in front of bounded offsets what they need. */
export function guardOffsets(blocks: readonly MachineBlock<Reg>[], guards: Guards): MachineBlock<Reg>[] {
  if (guards.size === 0) return [...blocks];
  let next = blocks.reduce((most, block) => Math.max(most, block.id), 0) + 1;
  const out = next++;
  let number = 0;
  const guarded = blocks.flatMap((block) => {
    const parts: MachineBlock<Reg>[] = [];
    let { id } = block;
    let insns: Insn<Reg>[] = [];
    for (const insn of block.insns) {
      if (!isBoundedOffset(insn) || !("reg" in insn.src)) {
        insns.push(insn);
        continue;
      }
      const { span, most } = insn;
      const wanted = guards.get(number++);
      if (wanted?.has("settle"))
        insns.push({ kind: "alu", op: "and", wide: true, dst: insn.src.reg, src: { imm: -1 }, span });
      if (wanted?.has("unlink"))
        insns.push({ kind: "alu", op: "rsh", wide: true, dst: insn.src.reg, src: { imm: 0 }, span });
      if (wanted?.has("compare")) {
        const rest = next++;
        const left = insn.src.reg;
        const end = {
          kind: "branch",
          op: "jgt",
          wide: true,
          left,
          right: { imm: most },
          then: out,
          else: rest,
        } as const;
        parts.push({ id, insns, end: { ...end, span } });
        id = rest;
        insns = [];
      }
      insns.push(insn);
    }
    return [...parts, { id, insns, end: block.end }];
  });
  if (guarded.every((block) => block.end.kind !== "branch" || block.end.then !== out)) return guarded;
  const { span } = guarded[0]!.end;
  return [
    ...guarded,
    { id: out, insns: [{ kind: "mov", wide: false, dst: 0, src: { imm: 0 }, span }], end: { kind: "exit", span } },
  ];
}
