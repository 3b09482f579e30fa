/** After register allocation: moves of a register to itself go, and blocks that only jump are skipped. */
import type { Finish, Insn, MachineBlock, MachineFunc, Reg } from "./insn.ts";
import { fallThrough } from "./fall-through.ts";
import { shareTails } from "./tails.ts";

export function tidy(func: MachineFunc<Reg>): MachineFunc<Reg> {
  const blocks = func.blocks.map((block) => ({ ...block, insns: block.insns.filter((insn) => !isIdle(insn)) }));
  return { ...func, blocks: fallThrough(skipJumps(shareTails(skipJumps(blocks)))) };
}

const isIdle = (insn: Insn<Reg>): boolean =>
  insn.kind === "mov" && insn.wide && "reg" in insn.src && insn.src.reg === insn.dst;

/** Jumps to a block that only jumps go on to where it leads. */
export function skipJumps(blocks: readonly MachineBlock<Reg>[]): MachineBlock<Reg>[] {
  const onward = new Map<number, number>();
  for (const block of blocks)
    if (block.insns.length === 0 && block.end.kind === "jump") onward.set(block.id, block.end.to);
  const follow = (id: number): number => {
    let at = id;
    for (let next = onward.get(at); next !== undefined; next = onward.get(at)) at = next;
    return at;
  };
  return blocks.map((block) => ({ ...block, end: retarget(block.end, follow) }));
}

function retarget(end: Finish<Reg>, follow: (id: number) => number): Finish<Reg> {
  if (end.kind === "jump") return { ...end, to: follow(end.to) };
  if (end.kind !== "branch") return end;
  const then = follow(end.then);
  const otherwise = follow(end.else);
  return then === otherwise ? { kind: "jump", to: then, span: end.span } : { ...end, then, else: otherwise };
}
