/** What the two engines have in common: what they are given and what they give back. */
import type { Memory, Region } from "./memory.ts";
import type { LinkedProgram } from "./program.ts";

export const STACK_BYTES = 512;
/** What a call leaves in r1 to r5: a value that nobody should rely on. */
export const SCRATCHED = 0xdead_beef_dead_beefn;

/** A helper: five arguments as unsigned 64-bit values in, r0 out. Throws VmFault. */
export type CallHelper = (id: number, args: readonly [bigint, bigint, bigint, bigint, bigint], slot: number) => bigint;

export interface Surroundings {
  readonly memory: Memory;
  /** One per possible nesting, in order, STACK_BYTES each; live only while their function runs. */
  readonly frames: readonly Region[];
  readonly call: CallHelper;
  readonly stepLimit: number;
}

/** Values of r1 and r2 on entry, unsigned. */
export interface Entry {
  readonly r1: bigint;
  readonly r2?: bigint;
}

/** How often each slot ran, added to by the engines. */
export type Hits = Uint32Array;

export interface Watch {
  readonly hits?: Hits;
  /** Called before each instruction with the registers r0 to r10 (unsigned, live: copy what you keep). Interpreter only. */
  readonly step?: (slot: number, registers: BigUint64Array, frame: number) => void;
}

export interface Finished {
  readonly r0: bigint;
  readonly steps: number;
}

/** Runs the program to its exit. Throws VmFault with slot and steps. */
export type Engine = (program: LinkedProgram, around: Surroundings, entry: Entry, watch?: Watch) => Finished;
