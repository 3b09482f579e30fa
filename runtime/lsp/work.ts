/** What the verifier does with a program, instruction by instruction. */
import { kernelNamed } from "../../compiler/bpf/kernels.ts";
import { versionIn } from "../../compiler/bpf/verifier-rules.ts";
import type { BpfModule, BpfProgram } from "../../compiler/module.ts";
import { verifierProgram } from "../../compiler/verifier/program.ts";
import { showState } from "../../compiler/verifier/state.ts";
import { verify } from "../../compiler/verifier/verify.ts";

export interface Work {
  /** The release whose verifier was asked. */
  readonly kernel: string;
  /** Instructions that it processed on all paths together. */
  readonly processed: number;
  /** How often each slot was processed. */
  readonly visits: Uint32Array;
  /** What it knew of registers and stack before a slot, the first time that it came there. */
  readonly states: ReadonlyMap<number, string>;
}

/** Walks a program as the oldest kernel of its target does. */
export function workOf(module: BpfModule, program: BpfProgram): Work {
  const target = kernelNamed(module.target);
  const kernel = versionIn(module.kernel ?? "") ?? target.oldest;
  const visits = new Uint32Array(program.insns.length);
  const states = new Map<number, string>();
  const result = verify(verifierProgram(module, program, target.name, kernel), {
    trace: (slot, state) => {
      visits[slot]!++;
      if (!states.has(slot)) states.set(slot, showState(state));
    },
  });
  const processed = "processed" in result ? result.processed : visits.reduce((sum, one) => sum + one, 0);
  return { kernel, processed, visits, states };
}
