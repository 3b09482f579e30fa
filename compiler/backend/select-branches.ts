/** Selection of what leads from block to block: moves for the parameters, comparisons, masks tested in one instruction. */
import type { Condition } from "../bpf/opcodes.ts";
import { SWAPPED } from "../ir/evaluate.ts";
import type { CompareOp, Edge, End, Inst } from "../ir/ir.ts";
import type { Span } from "../span.ts";
import { EXCHANGED } from "../bpf/isa.ts";
import type { Finish, Operand, Virtual } from "./insn.ts";
import { extended, fitsImm, inRegister, into, operand } from "./operands.ts";
import { constant, registerOf, type Selection } from "./selection.ts";

const CONDITION = {
  eq: "jeq",
  ne: "jne",
  ult: "jlt",
  ule: "jle",
  ugt: "jgt",
  uge: "jge",
  slt: "jslt",
  sle: "jsle",
  sgt: "jsgt",
  sge: "jsge",
} as const satisfies Record<CompareOp, Condition>;

type Branch = Extract<End, { kind: "branch" }>;

/** The masks that only a following comparison with zero reads: they are part of that comparison. */
export function fusedMasks(s: Selection): Set<number> {
  const fused = new Set<number>();
  for (const { end } of s.graph.order) {
    if (end.kind !== "branch" || (end.op !== "eq" && end.op !== "ne")) continue;
    const mask = s.made.get(end.left.id);
    if (mask?.kind === "binary" && mask.op === "and" && constant(s, end.right) === 0n && s.uses.get(end.left.id) === 1)
      fused.add(end.left.id);
  }
  return fused;
}

/** Moves what an edge passes into the registers of its target's parameters. */
export function passArguments(s: Selection, edge: Edge, span: Span): void {
  const to = s.graph.block.get(edge.block)!;
  // Without loops no parameter of the target is read on the way there, so the moves can be made one after another.
  edge.args.forEach((arg, at) => into(s, registerOf(s, to.params[at]!), arg, span));
}

/** Where an edge of a branch leads: moves need a block of their own. */
function edgeTarget(s: Selection, edge: Edge, span: Span): number {
  if (edge.args.length === 0) return edge.block;
  const saved = s.out;
  s.out = [];
  passArguments(s, edge, span);
  const id = s.nextBlock++;
  s.edgeBlocks.push({ id, insns: s.out, end: { kind: "jump", to: edge.block, span } });
  s.out = saved;
  return id;
}

/** The end of a block that decides. `fused` are the masks that are part of the comparison. */
export function branch(s: Selection, end: Branch, fused: ReadonlySet<number>): Finish<Virtual> {
  const { span } = end;
  let { left, right, op } = end;
  if (constant(s, left) !== undefined && constant(s, right) === undefined) {
    [left, right] = [right, left];
    op = SWAPPED[op];
  }
  const narrow = left.type === "w32";
  const then = edgeTarget(s, end.then, span);
  const otherwise = edgeTarget(s, end.else, span);
  const mask = fused.has(left.id) ? s.made.get(left.id) : undefined;
  if (mask?.kind === "binary" && (op === "eq" || op === "ne") && constant(s, right) === 0n) {
    const [set, clear] = op === "ne" ? [then, otherwise] : [otherwise, then];
    return { kind: "branch", op: "jset", ...maskTest(s, mask, span), then: set, else: clear, span };
  }
  let condition: Condition = CONDITION[op];
  let a: Virtual;
  let b: Operand<Virtual>;
  if (narrow && !s.isa.alu32) {
    const signExtend = op.startsWith("s");
    a = extended(s, left, signExtend, span);
    const number = constant(s, right);
    const imm = number === undefined ? undefined : signExtend ? number : BigInt.asUintN(32, number);
    b = imm !== undefined && fitsImm(imm) ? { imm: Number(imm) } : { reg: extended(s, right, signExtend, span) };
  } else {
    a = inRegister(s, left, span);
    b = operand(s, right, span);
  }
  if (!s.isa.lessThan && (condition === "jlt" || condition === "jle" || condition === "jslt" || condition === "jsle")) {
    // Older levels have only "greater"; negating the condition exchanges the targets instead of the operands.
    const negated = ({ jlt: "jge", jle: "jgt", jslt: "jsge", jsle: "jsgt" } as const)[condition];
    if ("imm" in b)
      return { kind: "branch", op: negated, wide: true, left: a, right: b, then: otherwise, else: then, span };
    condition = EXCHANGED[condition];
    return { kind: "branch", op: condition, wide: true, left: b.reg, right: { reg: a }, then, else: otherwise, span };
  }
  return {
    kind: "branch",
    op: condition,
    wide: !narrow || !s.isa.alu32,
    left: a,
    right: b,
    then,
    else: otherwise,
    span,
  };
}

/** What one instruction needs to test `x & mask` where the masked value is not needed otherwise. */
function maskTest(
  s: Selection,
  mask: Extract<Inst, { kind: "binary" }>,
  span: Span,
): { wide: boolean; left: Virtual; right: Operand<Virtual> } {
  const narrow = mask.result.type === "w32";
  const bits = constant(s, mask.right);
  const wide = !narrow || !s.isa.alu32;
  const right: Operand<Virtual> =
    bits !== undefined && fitsImm(bits) && !(wide && narrow && bits < 0n)
      ? { imm: Number(bits) }
      : { reg: narrow && !s.isa.alu32 ? extended(s, mask.right, false, span) : inRegister(s, mask.right, span) };
  return { wide, left: inRegister(s, mask.left, span), right };
}
