/** Loadable slots from a program and its relocations. Who loads says what a reference is: the verifier, the virtual machine, the loader. */
import { LDDW } from "./bpf/opcodes.ts";
import type { RawInsn } from "./bpf/raw.ts";
import type { BpfProgram, Relocation } from "./module.ts";

/** What a 64-bit load refers to, as its two slots say it. */
export interface Reference {
  /** The source register: what kind of reference it is (RFC 9669, table 12); 0 for a number. */
  readonly src: number;
  readonly low: number;
  readonly high: number;
}

/** What the reference of a relocation is. Undefined: it stays as it is. Throws where that must not be. */
export type Resolver = (relocation: Relocation, low: RawInsn, high: RawInsn) => Reference | undefined;

/** The slots of a program with every reference filled in. `misplaced` hears of relocations that are not at a 64-bit load. */
export function link(
  program: Pick<BpfProgram, "insns" | "relocations">,
  resolve: Resolver,
  misplaced: (relocation: Relocation) => void = () => undefined,
): RawInsn[] {
  const insns = [...program.insns];
  for (const relocation of program.relocations) {
    const low = insns[relocation.slot];
    const high = insns[relocation.slot + 1];
    if (!low || !high || low.code !== LDDW) {
      misplaced(relocation);
      continue;
    }
    const reference = resolve(relocation, low, high);
    if (!reference) continue;
    insns[relocation.slot] = { ...low, src: reference.src, imm: reference.low };
    insns[relocation.slot + 1] = { ...high, imm: reference.high };
  }
  return insns;
}
