/** Iterators of the kernel's in the machine: 16 bytes on the program's stack, which only these calls look into. */
import { ITERATORS } from "../../compiler/bpf/kfuncs.ts";
import { VmFault } from "./fault.ts";
import type { Memory } from "./memory.ts";

const { bytes: BYTES } = ITERATORS.mptcp_subflow;

/** The iterators that live, of one run of a program: by their addresses, what is still to come. */
export interface Iterators {
  begin(address: bigint, elements: readonly bigint[]): void;
  /** 0: there is no more. */
  next(address: bigint): bigint;
  destroy(address: bigint): void;
  /** How many were begun and not destroyed. */
  readonly live: number;
}
export function iterators(memory: Memory): Iterators {
  const found = new Map<bigint, bigint[]>();
  const living = (address: bigint): bigint[] => {
    const left = found.get(address);
    if (!left) throw new VmFault("helper", "this iterator was not begun, or is destroyed");
    return left;
  };
  return {
    begin(address, elements) {
      if (found.has(address)) throw new VmFault("helper", "this iterator was begun and is not destroyed");
      memory.index(address, BYTES, true);
      found.set(address, [...elements]);
    },
    next: (address) => living(address).shift() ?? 0n,
    destroy(address) {
      living(address);
      found.delete(address);
    },
    get live() {
      return found.size;
    },
  };
}
