/** Offsets of which the verifier of a kernel does not see that they lie in their arrays. */
import type { Kernel } from "../bpf/kernels.ts";
import type { BpfModule, BpfProgram } from "../module.ts";
import { verifierProgram } from "./program.ts";
import { currentFrame } from "./state.ts";
import { verify } from "./verify.ts";

/** Where an offset is added to an address, and the largest that it may be, in bytes. */
interface Offset {
  readonly slot: number;
  readonly most: number;
}

/** Walks a program as far as the kernel's verifier would, and gives the positions in `offsets` of those that it sees go further. */
export function looseOffsets(
  module: BpfModule,
  program: BpfProgram,
  kernel: Pick<Kernel, "name" | "oldest">,
  offsets: readonly Offset[],
): ReadonlySet<number> {
  const numbers = new Map(offsets.map(({ slot }, number) => [slot, number]));
  const loose = new Set<number>();
  const input = verifierProgram(module, program, kernel.name, kernel.oldest);
  verify(input, {
    trace(slot, state) {
      const number = numbers.get(slot);
      if (number === undefined) return;
      const { type, value } = currentFrame(state).regs[input.insns[slot]!.src]!;
      if (type === "scalar" && (value.smin < 0n || value.umax > BigInt(offsets[number]!.most))) loose.add(number);
    },
  });
  return loose;
}
