/** Offsets of which a kernel's verifier does not see that they lie in their arrays, or which it refuses for what they were. */
import type { Kernel } from "../bpf/kernels.ts";
import type { Version } from "../bpf/verifier-rules.ts";
import type { Diagnostic } from "../diagnostics.ts";
import type { BpfModule, BpfProgram } from "../module.ts";
import { contradicts } from "./alu.ts";
import { diagnosticsOf, isTooComplex } from "./module.ts";
import { verifierProgram } from "./program.ts";
import { MAX_OFFSET } from "./stack.ts";
import { currentFrame } from "./state.ts";
import { verify } from "./verify.ts";

/** Where an offset is added to an address, and the largest that it may be, in bytes. */
interface Offset {
  readonly slot: number;
  readonly most: number;
}
/**
 * What the program has to do in front of an addition: `compare` with the largest, `unlink` the offset from what it was made of, or
 * `settle` what is known of it where that contradicts itself, on a way that nothing takes.
 */
export type Need = "compare" | "unlink" | "settle";

export interface Loose {
  /** By position in the list of offsets. */
  readonly needs: ReadonlyMap<number, ReadonlySet<Need>>;
  /** What to say where the walk met the verifier's own limit. */
  readonly limit: readonly Diagnostic[] | undefined;
}

/**
 * Walks a program as a release's verifier would, and gives by position in `offsets` what has to be done before those that it would
 * lose. The walk goes on as if it had been done, so that one finds them all; where it meets the verifier's limit it says so instead.
 */
export function looseOffsets(
  module: BpfModule,
  program: BpfProgram,
  kernel: Pick<Kernel, "name">,
  release: Version,
  offsets: readonly Offset[],
): Loose {
  const numbers = new Map(offsets.map(({ slot }, number) => [slot, number]));
  const loose = new Map<number, Set<Need>>();
  const note = (number: number, need: Need): void => {
    if (!loose.get(number)?.has(need)) loose.set(number, new Set([...(loose.get(number) ?? []), need]));
  };
  const input = verifierProgram(module, program, kernel.name, release);
  const result = verify(input, {
    assume(slot, state) {
      const number = numbers.get(slot);
      if (number === undefined) return undefined;
      const reg = input.insns[slot]!.src;
      const { type, value, off } = currentFrame(state).regs[reg]!;
      if (type !== "scalar") return undefined;
      const { most } = offsets[number]!;
      if (Math.abs(off) >= MAX_OFFSET) note(number, "unlink");
      if (value.smin < 0n || value.umax > BigInt(most)) note(number, "compare");
      const dead = contradicts(value, true);
      if (dead) for (const need of ["settle", "compare"] as const) note(number, need);
      const needs = loose.get(number);
      return needs && { reg, ...(needs.has("compare") ? { most } : {}), unlinked: needs.has("unlink"), dead };
    },
  });
  const said = diagnosticsOf(program, input, result, true);
  return { needs: loose, limit: isTooComplex(said) ? said : undefined };
}
