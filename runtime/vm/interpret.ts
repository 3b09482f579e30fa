/** The reference engine: one instruction at a time, straight from RFC 9669, with no thought of speed. */
import { ALU, ATOMIC, CALL, CLASS, JMP, MODE, SIZE_BYTES, SRC_X, STORE_RELEASE } from "../../compiler/bpf/opcodes.ts";
import type { RawInsn } from "../../compiler/bpf/raw.ts";
import { MAX_FRAMES } from "../../compiler/bpf/limits.ts";
import { SCRATCHED, STACK_BYTES, type Engine, type Surroundings } from "./engine.ts";
import { placed, VmFault } from "./fault.ts";
import { isLocalCall } from "./program.ts";

type AccessCode = keyof typeof SIZE_BYTES;
const u64 = (value: bigint): bigint => BigInt.asUintN(64, value);
const s64 = (value: bigint): bigint => BigInt.asIntN(64, value);

/** 64-bit arithmetic on unsigned operands; the result may need wrapping. `signed` is offset 1 of div and mod. */
function alu64(op: number, a: bigint, b: bigint, signed: boolean): bigint {
  switch (op) {
    case ALU.add.code:
      return a + b;
    case ALU.sub.code:
      return a - b;
    case ALU.mul.code:
      return a * b;
    case ALU.div.code:
      return b === 0n ? 0n : signed ? s64(a) / s64(b) : a / b;
    case ALU.mod.code:
      return b === 0n ? a : signed ? s64(a) % s64(b) : a % b;
    case ALU.or.code:
      return a | b;
    case ALU.and.code:
      return a & b;
    case ALU.xor.code:
      return a ^ b;
    case ALU.lsh.code:
      return a << (b & 63n);
    case ALU.rsh.code:
      return a >> (b & 63n);
    case ALU.arsh.code:
      return s64(a) >> (b & 63n);
    case ALU.neg.code:
      return -a;
    default:
      return b;
  }
}

/** 32-bit arithmetic on operands below 2^32; the result is below 2^32. */
function alu32(op: number, a: number, b: number, signed: boolean): number {
  switch (op) {
    case ALU.add.code:
      return (a + b) >>> 0;
    case ALU.sub.code:
      return (a - b) >>> 0;
    case ALU.mul.code:
      return Math.imul(a, b) >>> 0;
    case ALU.div.code:
      return b === 0 ? 0 : signed ? ((a | 0) / (b | 0)) >>> 0 : Math.floor(a / b);
    case ALU.mod.code:
      return b === 0 ? a : signed ? ((a | 0) % (b | 0)) >>> 0 : a % b;
    case ALU.or.code:
      return (a | b) >>> 0;
    case ALU.and.code:
      return (a & b) >>> 0;
    case ALU.xor.code:
      return (a ^ b) >>> 0;
    case ALU.lsh.code:
      return (a << (b & 31)) >>> 0;
    case ALU.rsh.code:
      return a >>> (b & 31);
    case ALU.arsh.code:
      return ((a | 0) >> (b & 31)) >>> 0;
    case ALU.neg.code:
      return -a >>> 0;
    default:
      return b;
  }
}

/** Is the condition met? Operands are unsigned, of 64 or (`narrow`) 32 bits. */
export function holds(op: number, a: bigint, b: bigint, narrow: boolean): boolean {
  const bits = narrow ? 32 : 64;
  const sa = BigInt.asIntN(bits, a);
  const sb = BigInt.asIntN(bits, b);
  switch (op) {
    case JMP.jeq.code:
      return a === b;
    case JMP.jne.code:
      return a !== b;
    case JMP.jgt.code:
      return a > b;
    case JMP.jge.code:
      return a >= b;
    case JMP.jlt.code:
      return a < b;
    case JMP.jle.code:
      return a <= b;
    case JMP.jset.code:
      return (a & b) !== 0n;
    case JMP.jsgt.code:
      return sa > sb;
    case JMP.jsge.code:
      return sa >= sb;
    case JMP.jslt.code:
      return sa < sb;
    default:
      return sa <= sb;
  }
}

function reverseBytes(value: bigint, bits: number): bigint {
  let result = 0n;
  for (let at = 0n; at < bits; at += 8n) result = (result << 8n) | ((value >> at) & 0xffn);
  return result;
}

/** `end` instructions: to little endian (a truncation here), to big endian, or an unconditional swap in class alu64. */
function byteSwap(insn: RawInsn, value: bigint): bigint {
  const toLittle = (insn.code & 7) === CLASS.alu && (insn.code & SRC_X) === 0;
  return toLittle ? BigInt.asUintN(insn.imm, value) : reverseBytes(value, insn.imm);
}

function load(around: Surroundings, index: number, bytes: number): bigint {
  const { view } = around.memory;
  switch (bytes) {
    case 1:
      return BigInt(view.getUint8(index));
    case 2:
      return BigInt(view.getUint16(index, true));
    case 4:
      return BigInt(view.getUint32(index, true));
    default:
      return view.getBigUint64(index, true);
  }
}

function store(around: Surroundings, index: number, bytes: number, value: bigint): void {
  const { view } = around.memory;
  switch (bytes) {
    case 1:
      return view.setUint8(index, Number(value & 0xffn));
    case 2:
      return view.setUint16(index, Number(value & 0xffffn), true);
    case 4:
      return view.setUint32(index, Number(value & 0xffff_ffffn), true);
    default:
      return view.setBigUint64(index, value, true);
  }
}

function atomic(around: Surroundings, insn: RawInsn, registers: BigUint64Array): void {
  const bytes = SIZE_BYTES[(insn.code & 0x18) as AccessCode];
  const isLoad = insn.imm === 0x100;
  const address = u64(registers[isLoad ? insn.src : insn.dst]! + BigInt(insn.off));
  const index = around.memory.index(address, bytes, !isLoad);
  if (address % BigInt(bytes) !== 0n)
    throw new VmFault(
      "misaligned",
      `an atomic operation on ${bytes} bytes needs an address that is a multiple of ${bytes}`,
    );
  const old = load(around, index, bytes);
  if (isLoad) {
    registers[insn.dst] = old;
    return;
  }
  const value = BigInt.asUintN(bytes * 8, registers[insn.src]!);
  if (insn.imm === STORE_RELEASE) return store(around, index, bytes, value);
  if (insn.imm === ATOMIC.cmpxchg) {
    if (old === BigInt.asUintN(bytes * 8, registers[0]!)) store(around, index, bytes, value);
    registers[0] = old;
    return;
  }
  const op = insn.imm & ~ATOMIC.fetch;
  store(around, index, bytes, insn.imm === ATOMIC.xchg ? value : alu64(op, old, value, false));
  if (insn.imm & ATOMIC.fetch) registers[insn.src] = old;
}

interface Saved {
  readonly back: number;
  readonly registers: readonly bigint[];
}

export const interpret: Engine = (program, around, entry, watch) => {
  const { insns, wide } = program;
  const { memory, frames, stepLimit } = around;
  const registers = new BigUint64Array(11);
  const saved: Saved[] = [];
  const hits = watch?.hits;
  const onStep = watch?.step;
  let slot = 0;
  let steps = 0;

  const enter = (depth: number): void => {
    const frame = frames[depth];
    if (!frame) throw new VmFault("call-depth", `more than ${MAX_FRAMES} functions are active at once`);
    memory.setLive(frame, true);
    memory.slice(frame).fill(0);
    registers[10] = memory.address(frame) + BigInt(STACK_BYTES);
  };
  const leave = (depth: number): void => memory.setLive(frames[depth]!, false);

  try {
    registers[1] = entry.r1;
    registers[2] = entry.r2 ?? 0n;
    enter(0);
    for (;;) {
      const insn = insns[slot]!;
      if (steps >= stepLimit)
        throw new VmFault("step-limit", `the program ran ${stepLimit} instructions without an end`);
      steps++;
      if (hits) hits[slot]!++;
      if (onStep) onStep(slot, registers, saved.length);
      const { code, dst, src, off, imm } = insn;
      switch (code & 7) {
        case CLASS.alu64: {
          const op = code & 0xf0;
          if (op === ALU.end.code) registers[dst] = byteSwap(insn, registers[dst]!);
          else if (op === ALU.mov.code && off !== 0) registers[dst] = BigInt.asIntN(off, registers[src]!);
          else
            registers[dst] = alu64(op, registers[dst]!, code & SRC_X ? registers[src]! : u64(BigInt(imm)), off === 1);
          break;
        }
        case CLASS.alu: {
          const op = code & 0xf0;
          if (op === ALU.end.code) registers[dst] = byteSwap(insn, registers[dst]!);
          else if (op === ALU.mov.code && off !== 0)
            registers[dst] = BigInt.asUintN(32, BigInt.asIntN(off, registers[src]!));
          else {
            const a = Number(registers[dst]! & 0xffff_ffffn);
            const b = code & SRC_X ? Number(registers[src]! & 0xffff_ffffn) : imm >>> 0;
            registers[dst] = BigInt(alu32(op, a, b, off === 1));
          }
          break;
        }
        case CLASS.jmp:
        case CLASS.jmp32: {
          const op = code & 0xf0;
          const narrow = (code & 7) === CLASS.jmp32;
          if (op === JMP.ja.code) slot += narrow ? imm : off;
          else if (op === JMP.exit.code) {
            leave(saved.length);
            const caller = saved.pop();
            if (!caller) return { r0: registers[0]!, steps };
            slot = caller.back;
            for (let r = 6; r <= 10; r++) registers[r] = caller.registers[r - 6]!;
            for (let r = 1; r <= 5; r++) registers[r] = SCRATCHED;
          } else if (isLocalCall(insn)) {
            saved.push({ back: slot, registers: [...registers.subarray(6)] });
            enter(saved.length);
            registers[0] = 0n;
            for (let r = 6; r <= 9; r++) registers[r] = 0n;
            slot += imm;
          } else if (op === JMP.call.code && src === CALL.helper) {
            const [r1, r2, r3, r4, r5] = [registers[1], registers[2], registers[3]!, registers[4]!, registers[5]!];
            registers[0] = around.call(imm, [r1, r2, r3, r4, r5], slot);
            for (let r = 1; r <= 5; r++) registers[r] = SCRATCHED;
          } else {
            const bits = narrow ? 32 : 64;
            const a = BigInt.asUintN(bits, registers[dst]!);
            const b = BigInt.asUintN(bits, code & SRC_X ? registers[src]! : BigInt(imm));
            if (holds(op, a, b, narrow)) slot += off;
          }
          break;
        }
        case CLASS.ld:
          registers[dst] = wide.get(slot)!;
          slot++;
          break;
        case CLASS.ldx: {
          const bytes = SIZE_BYTES[(code & 0x18) as AccessCode];
          const value = load(around, memory.index(u64(registers[src]! + BigInt(off)), bytes, false), bytes);
          registers[dst] = (code & 0xe0) === MODE.memsx ? BigInt.asIntN(bytes * 8, value) : value;
          break;
        }
        default: {
          if ((code & 0xe0) === MODE.atomic) {
            atomic(around, insn, registers);
            break;
          }
          const bytes = SIZE_BYTES[(code & 0x18) as AccessCode];
          const index = memory.index(u64(registers[dst]! + BigInt(off)), bytes, true);
          store(around, index, bytes, (code & 7) === CLASS.st ? u64(BigInt(imm)) : registers[src]!);
        }
      }
      slot++;
    }
  } catch (error) {
    for (let depth = 0; depth < frames.length; depth++) memory.setLive(frames[depth]!, false);
    throw placed(error, slot, steps);
  }
};
