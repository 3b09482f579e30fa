/** After the walk: the frames of every chain of calls together must fit the stack. */
import { JMP } from "../bpf/opcodes.ts";
import type { RawInsn } from "../bpf/raw.ts";
import type { Rules } from "../bpf/verifier-rules.ts";
import { helperName } from "../bpf/helpers.ts";
import { MAX_FRAMES } from "../bpf/limits.ts";
import { CALL_CODE, isLocalCall, operationOf } from "./decode.ts";
import type { Structure, Subprogram } from "./structure.ts";
import { rejectAt } from "./verdict.ts";
import { MAX_STACK } from "./state.ts";

/** Frames below a tail call may not take more, since the called program has a stack of its own. */
const TAIL_CALL_LIMIT = 256;

const roundUp = (bytes: number, to: number): number => Math.ceil(bytes / to) * to;

/** Returns the deepest stack of any chain, in bytes. */
export function checkStackDepth(
  insns: readonly RawInsn[],
  structure: Structure,
  depths: readonly number[],
  rules: Rules,
): number {
  const { subprograms } = structure;
  const calls = subprograms.map((subprogram) => callsOf(insns, subprogram, subprograms));
  const tailCalls = subprograms.map(({ start, end }) =>
    insns
      .slice(start, end)
      .some(
        (insn) =>
          insn.code === CALL_CODE &&
          insn.src === 0 &&
          operationOf(insn.code) === JMP.call.code &&
          helperName(insn.imm) === "tail_call",
      ),
  );
  let deepest = 0;
  const descend = (index: number, below: number, frames: number): void => {
    if (index !== 0 && tailCalls[index] && below >= TAIL_CALL_LIMIT)
      rejectAt(
        "stack-oob",
        "none",
        `tail_calls are not allowed when call stack of previous frames is ${below} bytes. Too large`,
      );
    const own = depths[index] ?? 0;
    const depth = below + (rules.framesBy16 ? roundUp(own, 16) : roundUp(Math.max(own, 1), 32));
    deepest = Math.max(deepest, depth);
    if (depth > MAX_STACK) rejectAt("other", "none", `combined stack size of ${frames} calls is ${depth}. Too large`);
    for (const callee of calls[index]!) {
      if (frames >= MAX_FRAMES) rejectAt("other", "none", `the call stack of ${frames + 1} frames is too deep !`);
      descend(callee, depth, frames + 1);
    }
  };
  descend(0, 0, 1);
  return deepest;
}

function callsOf(insns: readonly RawInsn[], { start, end }: Subprogram, all: readonly Subprogram[]): number[] {
  const called = new Set<number>();
  for (let at = start; at < end; at++) {
    const insn = insns[at]!;
    if (isLocalCall(insn)) called.add(all.findIndex((candidate) => candidate.start === at + 1 + insn.imm));
  }
  return [...called];
}
