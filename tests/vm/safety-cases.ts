/** Programs that must end in a clean fault, with the kind of fault and the instruction that it names. */
import { ATOMIC } from "../../compiler/bpf/opcodes.ts";
import type { RawInsn } from "../../compiler/bpf/raw.ts";
import { runBare, type EngineName } from "../../runtime/vm/bare.ts";
import { VmFault, type FaultKind } from "../../runtime/vm/fault.ts";
import * as asm from "./assemble.ts";

interface SafetyCase {
  readonly name: string;
  readonly kind: FaultKind;
  readonly slot: number;
  readonly insns: readonly RawInsn[];
  /** A translation counts steps by blocks, so it may name the block's first instruction. */
  readonly slotIn?: readonly [number, number];
}
const { alu64, constant, exit, load, mov, reg, store } = asm;
const end = [mov(0, 0), exit];
const memory = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12);
const raw = (code: number, dst = 0, src = 0, off = 0, imm = 0): RawInsn => ({ code, dst, src, off, imm });

export const SAFETY_CASES: readonly SafetyCase[] = [
  { name: "read below the stack", kind: "memory", slot: 0, insns: [load(8, 0, 10, -520), exit] },
  { name: "read above the stack", kind: "memory", slot: 0, insns: [load(1, 0, 10, 0), exit] },
  { name: "write that leaves the stack by one byte", kind: "memory", slot: 0, insns: [store(8, 10, -7, 0), ...end] },
  {
    name: "write through a computed pointer below the stack",
    kind: "memory",
    slot: 3,
    insns: [mov(1, reg(10)), alu64("add", 1, -512), mov(2, 1), store(1, 1, -1, 0), ...end],
  },
  {
    name: "write at the stack's last byte and one more",
    kind: "memory",
    slot: 1,
    insns: [mov(1, reg(10)), store(2, 1, -1, 0), ...end],
  },
  { name: "read one byte past the memory", kind: "memory", slot: 0, insns: [load(1, 0, 1, 12), exit] },
  {
    name: "read that begins inside of the memory and ends outside",
    kind: "memory",
    slot: 0,
    insns: [load(8, 0, 1, 5), exit],
  },
  {
    name: "unaligned read over the end of its last eight bytes",
    kind: "memory",
    slot: 0,
    insns: [load(4, 0, 1, 9), exit],
  },
  { name: "read before the memory", kind: "memory", slot: 0, insns: [load(2, 0, 1, -1), exit] },
  { name: "null pointer", kind: "memory", slot: 1, insns: [mov(2, 0), load(8, 0, 2, 8), exit] },
  {
    name: "a number that is no pointer",
    kind: "memory",
    slot: 2,
    insns: [...constant(2, 0x1234_5678_9abc_def0n), store(4, 2, 0, 1), ...end],
  },
  {
    name: "a pointer cut to 32 bits",
    kind: "memory",
    slot: 1,
    insns: [asm.alu32("mov", 1, reg(1)), load(1, 0, 1, 0), exit],
  },
  {
    name: "an address beyond all memory",
    kind: "memory",
    slot: 3,
    insns: [...constant(3, 0x7fff_ffffn), alu64("add", 1, reg(3)), load(8, 0, 1, 0), exit],
  },
  {
    name: "an address that wraps around",
    kind: "memory",
    slot: 2,
    insns: [...constant(2, 0xffff_ffff_ffff_fffen), load(8, 0, 2, 4), exit],
  },
  {
    name: "unaligned atomic on the stack",
    kind: "misaligned",
    slot: 1,
    insns: [mov(1, 1), asm.atomic(8, ATOMIC.add, 10, -12, 1), ...end],
  },
  {
    name: "unaligned atomic through a pointer",
    kind: "misaligned",
    slot: 1,
    insns: [mov(2, 1), asm.atomic(4, ATOMIC.add, 1, 2, 2), ...end],
  },
  {
    name: "atomic outside of the memory",
    kind: "memory",
    slot: 1,
    insns: [mov(2, 1), asm.atomic(8, ATOMIC.add, 1, 8, 2), ...end],
  },
  {
    name: "the stack of a function that returned",
    kind: "memory",
    slot: 1,
    insns: [asm.callLocal(2), load(8, 0, 0, -8), exit, mov(0, reg(10)), exit],
  },
  { name: "an endless loop", kind: "step-limit", slot: 0, insns: [asm.jump(-1), exit] },
  {
    name: "an endless loop over the memory",
    kind: "step-limit",
    slot: 0,
    slotIn: [0, 1],
    insns: [load(1, 0, 1, 0), asm.jump(-2), exit],
  },
  { name: "endless recursion", kind: "call-depth", slot: 0, insns: [asm.callLocal(-1), exit] },
  { name: "a ninth frame", kind: "call-depth", slot: 2, insns: [asm.callLocal(1), exit, asm.callLocal(-1), exit] },
  { name: "an opcode that does not exist", kind: "instruction", slot: 1, insns: [mov(0, 0), raw(0xff), exit] },
  { name: "a register that does not exist", kind: "instruction", slot: 0, insns: [raw(0xb7, 11), exit] },
  { name: "a write to r10", kind: "instruction", slot: 0, insns: [mov(10, 0), exit] },
  { name: "a jump out of the program", kind: "instruction", slot: 0, insns: [asm.jump(7), exit] },
  {
    name: "a jump into the middle of an lddw",
    kind: "instruction",
    slot: 0,
    insns: [asm.jump(1), ...constant(0, 1n), exit],
  },
  { name: "a program without an end", kind: "instruction", slot: 0, insns: [mov(0, 0)] },
  { name: "half an lddw", kind: "instruction", slot: 0, insns: [constant(0, 1n)[0]!, exit] },
  { name: "an lddw of a map that is not there", kind: "instruction", slot: 0, insns: [...asm.mapAddress(1, 5), exit] },
  { name: "a helper that does not exist", kind: "helper", slot: 0, insns: [asm.call(9999), exit] },
  { name: "a helper that bare programs lack", kind: "helper", slot: 0, insns: [asm.call(1), exit] },
  { name: "a call through a register", kind: "instruction", slot: 0, insns: [raw(0x8d), exit] },
  { name: "no program at all", kind: "instruction", slot: 0, insns: [] },
];

/** What differs from what the table says. */
export function checkSafety(engine: EngineName): string[] {
  return SAFETY_CASES.flatMap(({ name, kind, slot, slotIn, insns }) => {
    try {
      const { r0 } = runBare(insns, { engine, memory, stepLimit: 10_000 });
      return [`${name}: no fault, r0 = ${r0}`];
    } catch (error) {
      if (!(error instanceof VmFault)) return [`${name}: ${String(error)}`];
      const [low, high] = slotIn ?? [slot, slot];
      const placed = error.slot !== undefined && error.slot >= low && error.slot <= high;
      return error.kind === kind && placed ? [] : [`${name}: ${error.kind} at ${error.slot}: ${error.message}`];
    }
  });
}
