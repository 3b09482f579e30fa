/** Offsets of which a kernel's verifiers do not see that they lie in their arrays, or which they refuse for what they were. */
import type { Kernel } from "../bpf/kernels.ts";
import type { BpfModule, BpfProgram } from "../module.ts";
import { judgesOf } from "./module.ts";
import { verifierProgram } from "./program.ts";
import { MAX_OFFSET } from "./stack.ts";
import { currentFrame } from "./state.ts";
import { verify } from "./verify.ts";

/** Where an offset is added to an address, and the largest that it may be, in bytes. */
interface Offset {
  readonly slot: number;
  readonly most: number;
}
/** What the program has to do in front of an addition: `compare` with the largest, or `unlink` the offset from what it was made of. */
export type Need = "compare" | "unlink";

/**
 * Walks a program as the kernel's verifiers would, and gives by position in `offsets` what has to be done before those that they
 * would lose. The walk goes on as if it had been done, so that one finds them all.
 */
export function looseOffsets(
  module: BpfModule,
  program: BpfProgram,
  kernel: Pick<Kernel, "name" | "oldest" | "newest">,
  offsets: readonly Offset[],
): ReadonlyMap<number, ReadonlySet<Need>> {
  const numbers = new Map(offsets.map(({ slot }, number) => [slot, number]));
  const loose = new Map<number, Set<Need>>();
  const note = (number: number, need: Need): void =>
    void loose.set(number, new Set([...(loose.get(number) ?? []), need]));
  for (const release of judgesOf(kernel)) {
    const input = verifierProgram(module, program, kernel.name, release);
    verify(input, {
      assume(slot, state) {
        const number = numbers.get(slot);
        if (number === undefined) return undefined;
        const reg = input.insns[slot]!.src;
        const { type, value, off } = currentFrame(state).regs[reg]!;
        if (type !== "scalar") return undefined;
        const { most } = offsets[number]!;
        if (Math.abs(off) >= MAX_OFFSET) note(number, "unlink");
        if (value.smin < 0n || value.umax > BigInt(most)) note(number, "compare");
        const needs = loose.get(number);
        return needs && { reg, ...(needs.has("compare") ? { most } : {}), unlinked: needs.has("unlink") };
      },
    });
  }
  return loose;
}
