/** A jump over a block that would only find out what is known already: running into that block costs no slot. */
import type { CompareOp } from "../ir/ir.ts";
import { evaluateCompare } from "../ir/evaluate.ts";
import type { Condition } from "../bpf/opcodes.ts";
import { successors, writes, type MachineBlock, type Reg } from "./insn.ts";

const COMPARE: Partial<Record<Condition, CompareOp>> = {
  jeq: "eq",
  jne: "ne",
  jlt: "ult",
  jle: "ule",
  jgt: "ugt",
  jge: "uge",
  jslt: "slt",
  jsle: "sle",
  jsgt: "sgt",
  jsge: "sge",
};

/**
 * Jump threading leads past decisions that constants make; where the decision stands right behind, as the second bound of
 * `min(max(x, low), high)` does, passing through it takes one instruction at run time like the jump, and no slot.
 */
export function fallThrough(blocks: readonly MachineBlock<Reg>[]): MachineBlock<Reg>[] {
  const byId = new Map(blocks.map((block) => [block.id, block]));
  const predecessors = new Map<number, number[]>();
  for (const block of blocks)
    for (const to of new Set(successors(block.end))) predecessors.set(to, [...(predecessors.get(to) ?? []), block.id]);
  return blocks.map((block) => {
    if (block.end.kind !== "jump") return block;
    const [above, ...more] = predecessors.get(block.id) ?? [];
    if (above === undefined || more.length > 0) return block;
    const beside = successors(byId.get(above)!.end).find((id) => id !== block.id);
    const next = beside === undefined ? undefined : byId.get(beside);
    if (!next || predecessors.get(next.id)!.length !== 1) return block;
    if (answer(block, next) !== block.end.to) return block;
    return { ...block, end: { ...block.end, to: next.id } };
  });
}

/** Where a block that only decides leads behind `before`, when constants that `before` leaves in registers decide it. */
function answer(before: MachineBlock<Reg>, { insns, end }: MachineBlock<Reg>): number | undefined {
  if (insns.length > 0 || end.kind !== "branch" || !("imm" in end.right)) return undefined;
  const op = COMPARE[end.op];
  const last = before.insns.findLast((insn) => writes(insn).includes(end.left));
  if (!op || last?.kind !== "mov" || !("imm" in last.src) || last.src.core) return undefined;
  const bits = end.wide ? 64 : 32;
  // A 32-bit move clears the upper half, a 64-bit one extends the immediate's sign.
  const left = last.wide ? BigInt(last.src.imm) : BigInt.asUintN(32, BigInt(last.src.imm));
  const holds = evaluateCompare(op, BigInt.asUintN(bits, left), BigInt.asUintN(bits, BigInt(end.right.imm)), bits);
  return holds ? end.then : end.else;
}
