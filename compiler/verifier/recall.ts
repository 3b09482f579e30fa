/**
 * What instructions made of the values that they met. Paths are many, and most bring values that others have brought: the second time
 * nothing is worked out. What is recalled is the very same object, so that what follows from it is recalled as well, and found equal at a
 * glance.
 */
import type { Scalar } from "./scalar.ts";

interface Met<T> {
  readonly a: Scalar;
  readonly b: Scalar;
  readonly made: T;
}
/** By the instruction, which is one operation: the last results of it. */
export type Recall<T> = (Met<T>[] | undefined)[];

/** Results that are kept of each instruction. */
const MOST = 16;

/** `make()`, a pure function of the instruction and both values, or what it gave the last time. */
export function recall<T>(memory: Recall<T>, insn: number, a: Scalar, b: Scalar, make: () => T): T {
  const met = (memory[insn] ??= []);
  for (const one of met) if (one.a === a && one.b === b) return one.made;
  const made = make();
  if (met.length === MOST) met.shift();
  met.push({ a, b, made });
  return made;
}
