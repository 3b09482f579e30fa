/** How selection gets values into registers, immediates and addresses. */
import type { Inst, Value } from "../ir/ir.ts";
import type { CoreFact } from "../module.ts";
import type { Span } from "../span.ts";
import type { Base, Operand, Virtual } from "./insn.ts";
import { constant, coreOf, fresh, isKept, registerOf, slotOf, type Selection } from "./selection.ts";

/** Whether an instruction's immediate, sign-extended, gives the value. */
export const fitsImm = (value: bigint): boolean => value >= -0x8000_0000n && value < 0x8000_0000n;
/** The low 32 bits as an immediate. */
export const asImm = (value: bigint): number => Number(BigInt.asIntN(32, value));

type OnTheSpot = Extract<Inst, { kind: "const" | "core" | "slot" | "map" | "global" }>;

/** The definition of a value that has no register here because each use makes it anew. */
export function madeOnTheSpot(s: Selection, value: Value): OnTheSpot | undefined {
  const inst = isKept(s, value) ? undefined : s.made.get(value.id);
  switch (inst?.kind) {
    case "const":
    case "core":
    case "slot":
    case "map":
    case "global":
      return inst;
    default:
      return undefined;
  }
}

/** Puts a value into a register of choice. */
export function into(s: Selection, dst: Virtual, value: Value, span: Span, zeroExtend = false): void {
  const inst = madeOnTheSpot(s, value);
  switch (inst?.kind) {
    case undefined:
      break;
    case "const":
      constantInto(s, dst, inst, span, zeroExtend);
      return;
    case "core":
      s.out.push({
        kind: "mov",
        wide: true,
        dst,
        src: { imm: Number(inst.value), core: inst.fact },
        span,
        again: true,
      });
      return;
    case "slot":
      s.out.push({ kind: "address", dst, base: { frame: slotOf(s, value)! }, offset: 0, span, again: true });
      return;
    case "map":
      s.out.push({ kind: "lddw", dst, value: { kind: "map", map: inst.name }, span, again: true });
      return;
    case "global": {
      const { section, offset } = s.globals.find((g) => g.name === inst.name)!;
      s.out.push({ kind: "lddw", dst, value: { kind: "global", section, offset }, span, again: true });
      return;
    }
  }
  const src = registerOf(s, value);
  if (zeroExtend && value.type === "w32" && !s.clean.has(value.id)) zeroUpper(s, dst, src, span);
  else s.out.push({ kind: "mov", wide: true, dst, src: { reg: src }, span });
}

function constantInto(
  s: Selection,
  dst: Virtual,
  inst: Extract<Inst, { kind: "const" }>,
  span: Span,
  zeroExtend: boolean,
): void {
  const number = constant(s, inst.result)!;
  const narrow = inst.result.type === "w32";
  const long = { kind: "lddw", dst, value: { kind: "number", value: inst.value }, span, again: true } as const;
  // A 32-bit move clears what is above; without it a negative number needs the long form to be zero-extended.
  if (narrow && s.isa.alu32)
    s.out.push({ kind: "mov", wide: false, dst, src: { imm: asImm(number) }, span, again: true });
  else if (narrow && number < 0n && zeroExtend) s.out.push(long);
  else if (fitsImm(number))
    s.out.push({ kind: "mov", wide: true, dst, src: { imm: Number(number) }, span, again: true });
  else if (inst.value <= 0xffff_ffffn && s.isa.alu32)
    s.out.push({ kind: "mov", wide: false, dst, src: { imm: asImm(inst.value) }, span, again: true });
  else s.out.push(long);
}

/** Moves the low half of a register and clears what is above. */
export function zeroUpper(s: Selection, dst: Virtual, src: Virtual, span: Span): void {
  if (s.isa.alu32) {
    s.out.push({ kind: "mov", wide: false, dst, src: { reg: src }, span });
    return;
  }
  s.out.push({ kind: "mov", wide: true, dst, src: { reg: src }, span });
  extendInPlace(s, dst, false, span);
}

/** Extends the low half over the whole register by shifting it up and down again. */
export function extendInPlace(s: Selection, dst: Virtual, signExtend: boolean, span: Span): void {
  s.out.push({ kind: "alu", op: "lsh", wide: true, dst, src: { imm: 32 }, span });
  s.out.push({ kind: "alu", op: signExtend ? "arsh" : "rsh", wide: true, dst, src: { imm: 32 }, span });
}

/** A register that holds the value. */
export function inRegister(s: Selection, value: Value, span: Span): Virtual {
  if (!madeOnTheSpot(s, value)) return registerOf(s, value);
  const dst = fresh(s);
  into(s, dst, value, span);
  return dst;
}

/** The value as an immediate where it fits, else in a register. */
export function operand(s: Selection, value: Value, span: Span): Operand<Virtual> {
  const core = coreOf(s, value);
  if (core) return { imm: Number(core.value), core: core.fact };
  const number = constant(s, value);
  return number !== undefined && fitsImm(number) ? { imm: Number(number) } : { reg: inRegister(s, value, span) };
}

/** A register with the 32-bit value extended to 64 bits, for levels without 32-bit instructions. */
export function extended(s: Selection, value: Value, signExtend: boolean, span: Span): Virtual {
  const number = constant(s, value);
  const dst = fresh(s);
  if (number !== undefined) {
    into(s, dst, value, span, !signExtend);
    return dst;
  }
  const src = registerOf(s, value);
  if (!signExtend && s.clean.has(value.id)) return src;
  s.out.push({ kind: "mov", wide: true, dst, src: { reg: src }, span });
  extendInPlace(s, dst, signExtend, span);
  return dst;
}

/** Where memory is accessed: off the frame directly, else off a register. */
export function address(
  s: Selection,
  base: Value,
  offset: number,
  span: Span,
): { base: Base<Virtual>; offset: number; core?: CoreFact } {
  const member = s.members.get(base.id);
  if (member)
    return { base: { reg: inRegister(s, member.base, span) }, offset: Number(member.by.value), core: member.by.fact };
  const slot = slotOf(s, base);
  if (slot !== undefined) return { base: { frame: slot }, offset };
  return { base: { reg: inRegister(s, base, span) }, offset };
}
