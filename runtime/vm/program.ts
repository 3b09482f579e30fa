/** A program that is ready to run: slots whose references are filled in, checked once for what no engine should meet. */
import {
  ALU,
  ATOMIC,
  CALL,
  CLASS,
  JMP,
  LDDW,
  LOAD_ACQUIRE,
  MODE,
  SIZE,
  SRC_X,
  STORE_RELEASE,
} from "../../compiler/bpf/opcodes.ts";
import type { RawInsn } from "../../compiler/bpf/raw.ts";
import { VmFault } from "./fault.ts";

export interface LinkedProgram {
  readonly name: string;
  readonly insns: readonly RawInsn[];
  /** The 64-bit constant of each `lddw`, by its slot; unsigned. */
  readonly wide: ReadonlyMap<number, bigint>;
  /** First slots of the functions, the entry (0) first. */
  readonly functions: readonly number[];
}

const ATOMICS = new Set<number>([
  ATOMIC.add,
  ATOMIC.or,
  ATOMIC.and,
  ATOMIC.xor,
  ATOMIC.add | ATOMIC.fetch,
  ATOMIC.or | ATOMIC.fetch,
  ATOMIC.and | ATOMIC.fetch,
  ATOMIC.xor | ATOMIC.fetch,
  ATOMIC.xchg,
  ATOMIC.cmpxchg,
  LOAD_ACQUIRE,
  STORE_RELEASE,
]);
const ALU_CODES = new Set<number>(Object.values(ALU).map((row) => row.code));
const CONDITIONS = new Set<number>(
  Object.entries(JMP)
    .filter(([name]) => name !== "ja" && name !== "call" && name !== "exit")
    .map(([, row]) => row.code),
);
const EXIT = CLASS.jmp | JMP.exit.code;
const CALL_CODE = CLASS.jmp | JMP.call.code;
const GOTO = CLASS.jmp | JMP.ja.code;
const GOTO_LONG = CLASS.jmp32 | JMP.ja.code;

/** Where a jump goes, or undefined if the instruction is none. Local calls are no jumps. */
export function jumpTarget(insn: RawInsn, slot: number): number | undefined {
  if (insn.code === GOTO) return slot + 1 + insn.off;
  if (insn.code === GOTO_LONG) return slot + 1 + insn.imm;
  const cls = insn.code & 7;
  if ((cls === CLASS.jmp || cls === CLASS.jmp32) && CONDITIONS.has(insn.code & 0xf0)) return slot + 1 + insn.off;
  return undefined;
}
/** Does control never reach the next slot? */
export const endsFlow = (insn: RawInsn): boolean => insn.code === EXIT || insn.code === GOTO || insn.code === GOTO_LONG;
export const isLocalCall = (insn: RawInsn): boolean => insn.code === CALL_CODE && insn.src === CALL.local;

const bad = (slot: number, message: string): VmFault => new VmFault("instruction", message, slot);
const hex = (value: number): string => `0x${value.toString(16).padStart(2, "0")}`;

/** What is wrong with one instruction by itself, or undefined. */
function malformed(insn: RawInsn): string | undefined {
  const { code, dst, src, off, imm } = insn;
  const cls = code & 7;
  const unknown = `opcode ${hex(code)} is not an instruction`;
  if (dst > 10 || (src > 10 && code !== LDDW)) return `register r${dst > 10 ? dst : src} does not exist`;
  switch (cls) {
    case CLASS.alu:
    case CLASS.alu64: {
      const op = code & 0xf0;
      const register = (code & SRC_X) !== 0;
      if (!ALU_CODES.has(op)) return unknown;
      if (dst === 10) return "r10 cannot be written";
      if (op === ALU.end.code) {
        if (cls === CLASS.alu64 && register) return unknown;
        return imm === 16 || imm === 32 || imm === 64 ? undefined : `byte swap of ${imm} bits does not exist`;
      }
      const isMove = op === ALU.mov.code && register;
      const isDivision = op === ALU.div.code || op === ALU.mod.code;
      if (isMove ? !(off === 0 || off === 8 || off === 16 || (off === 32 && cls === CLASS.alu64)) : false)
        return `a move cannot sign-extend ${off} bits`;
      if (isDivision ? off !== 0 && off !== 1 : !isMove && off !== 0)
        return `the offset field of opcode ${hex(code)} is reserved`;
      return undefined;
    }
    case CLASS.jmp:
    case CLASS.jmp32: {
      if (code === EXIT || code === GOTO || code === GOTO_LONG) return undefined;
      if (code === CALL_CODE) {
        if (src === CALL.helper || src === CALL.local) return undefined;
        return src === CALL.kfunc ? "kernel functions cannot be called here" : `call of kind ${src} does not exist`;
      }
      if (code === (CALL_CODE | SRC_X)) return "a call through a register (callx) is not supported";
      return CONDITIONS.has(code & 0xf0) ? undefined : unknown;
    }
    case CLASS.ld:
      if (code === LDDW) return dst === 10 ? "r10 cannot be written" : undefined;
      if ((code & 0xe0) === MODE.abs || (code & 0xe0) === MODE.ind)
        return "legacy packet access (BPF_ABS, BPF_IND) is not supported";
      return unknown;
    case CLASS.ldx:
      if (dst === 10) return "r10 cannot be written";
      if ((code & 0xe0) === MODE.mem) return undefined;
      return (code & 0xe0) === MODE.memsx && (code & 0x18) !== SIZE.dw ? undefined : unknown;
    case CLASS.st:
      return (code & 0xe0) === MODE.mem ? undefined : unknown;
    case CLASS.stx:
      if ((code & 0xe0) === MODE.mem) return undefined;
      if ((code & 0xe0) !== MODE.atomic) return unknown;
      if (!ATOMICS.has(imm)) return `atomic operation ${hex(imm)} does not exist`;
      if (imm !== LOAD_ACQUIRE && imm !== STORE_RELEASE && (code & 0x18) !== SIZE.w && (code & 0x18) !== SIZE.dw)
        return "atomic operations work on 4 or 8 bytes";
      if (imm === LOAD_ACQUIRE ? dst === 10 : imm !== ATOMIC.cmpxchg && imm & ATOMIC.fetch && src === 10)
        return "r10 cannot be written";
      return undefined;
  }
  return unknown;
}

/**
 * Reads the wide constants and checks opcodes, registers, jump targets and the ends of functions.
 * Throws VmFault("instruction") naming the slot.
 */
export function prepare(name: string, insns: readonly RawInsn[]): LinkedProgram {
  if (insns.length === 0) throw bad(0, "the program is empty");
  const wide = new Map<number, bigint>();
  const inside = new Set<number>();
  const functions = new Set<number>([0]);
  for (let slot = 0; slot < insns.length; slot++) {
    const insn = insns[slot]!;
    const reason = malformed(insn);
    if (reason !== undefined) throw bad(slot, reason);
    if (isLocalCall(insn)) functions.add(slot + 1 + insn.imm);
    if (insn.code !== LDDW) continue;
    const high = insns[slot + 1];
    if (!high || high.code !== 0 || high.dst !== 0 || high.src !== 0 || high.off !== 0)
      throw bad(slot, "lddw lacks its second slot");
    if (insn.src !== 0) throw bad(slot, `lddw refers to something that is not here (source ${insn.src})`);
    wide.set(slot, (BigInt(high.imm >>> 0) << 32n) | BigInt(insn.imm >>> 0));
    inside.add(++slot);
  }
  for (let slot = 0; slot < insns.length; slot++) {
    const insn = insns[slot]!;
    if (inside.has(slot)) continue;
    const target = isLocalCall(insn) ? slot + 1 + insn.imm : jumpTarget(insn, slot);
    if (target !== undefined && (target < 0 || target >= insns.length || inside.has(target)))
      throw bad(slot, `jump to ${target}, which is not an instruction of this program`);
    const next = slot + (wide.has(slot) ? 2 : 1);
    if (next >= insns.length && !endsFlow(insn)) throw bad(slot, "the program runs past its last instruction");
  }
  return { name, insns, wide, functions: [...functions].sort((a, b) => a - b) };
}
