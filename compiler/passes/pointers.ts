/** Where pointers come from, and so what accesses can touch the same memory. */
import type { Inst, Type, Value } from "../ir/ir.ts";
import { slotAlignment } from "../ir/slot-alignment.ts";

/** The instruction or parameter that a pointer was derived from, and its constant distance when that is known. */
export interface Origin {
  readonly root: Value;
  /** Absent for parameters of functions and blocks. */
  readonly made: Inst | undefined;
  /** In bytes from the root; undefined: not constant. */
  readonly offset: number | undefined;
}

export function originOf(pointer: Value, made: ReadonlyMap<number, Inst>): Origin {
  let root = pointer;
  let offset: number | undefined = 0;
  for (let inst = made.get(root.id); inst?.kind === "ptradd"; inst = made.get(root.id)) {
    const by = made.get(inst.offset.id);
    // Which members of a struct touch is the same in every kernel.
    const known = by?.kind === "const" || by?.kind === "core";
    offset = known && offset !== undefined ? offset + Number(BigInt.asIntN(64, by.value)) : undefined;
    root = inst.base;
  }
  return { root, made: made.get(root.id), offset };
}

/** What helpers give as a whole lies so in memory. */
const WHOLE_ALIGNMENT = 8;
const ALIGNED_WHOLES: ReadonlySet<Type> = new Set<Type>(["ptr map-value", "ptr record"]);

/** Alignment in bytes that is known of a pointer: stack slots are placed so, map values and global sections start at 8. */
export function alignmentOf(pointer: Value, made: ReadonlyMap<number, Inst>): number {
  const { root, made: inst, offset } = originOf(pointer, made);
  // Where a call of a function leads to, or a parameter, may be anywhere inside.
  const whole =
    inst?.kind === "call" && inst.target.kind === "helper" && ALIGNED_WHOLES.has(root.type) ? WHOLE_ALIGNMENT : 1;
  const start = inst?.kind === "slot" ? slotAlignment(inst.size, inst.align) : whole;
  if (offset === undefined) return 1;
  return offset === 0 ? start : Math.min(start, offset & -offset);
}
