/** Instructions by name, for tests of the machine: `alu64("add", 1, reg(2))`, `load(4, 0, 1, 8)`. */
import {
  ALU,
  ATOMIC,
  CALL,
  CLASS,
  JMP,
  LDDW,
  MODE,
  PSEUDO,
  SIZE_OF_BYTES,
  SRC_X,
  type AccessBytes,
  type AluName,
  type Condition,
} from "../../compiler/bpf/opcodes.ts";
import type { RawInsn } from "../../compiler/bpf/raw.ts";

export interface Register {
  readonly register: number;
}
export type Operand = Register | number;
export const reg = (register: number): Register => ({ register });

const insn = (code: number, dst: number, src: number, off: number, imm: number): RawInsn => ({
  code,
  dst,
  src,
  off,
  imm: imm | 0,
});
const operand = (code: number, dst: number, value: Operand, off: number): RawInsn =>
  typeof value === "number" ? insn(code, dst, 0, off, value) : insn(code | SRC_X, dst, value.register, off, 0);

export const alu64 = (op: AluName, dst: number, value: Operand, off = 0): RawInsn =>
  operand(CLASS.alu64 | ALU[op].code, dst, value, off);
export const alu32 = (op: AluName, dst: number, value: Operand, off = 0): RawInsn =>
  operand(CLASS.alu | ALU[op].code, dst, value, off);
export const mov = (dst: number, value: Operand): RawInsn => alu64("mov", dst, value);
/** to: "le" and "be" are conversions, "swap" is unconditional. */
export const swap = (to: "le" | "be" | "swap", bits: 16 | 32 | 64, dst: number): RawInsn =>
  insn((to === "swap" ? CLASS.alu64 : CLASS.alu) | ALU.end.code | (to === "be" ? SRC_X : 0), dst, 0, 0, bits);
export const jump = (off: number): RawInsn => insn(CLASS.jmp | JMP.ja.code, 0, 0, off, 0);
export const jumpFar = (distance: number): RawInsn => insn(CLASS.jmp32 | JMP.ja.code, 0, 0, 0, distance);
export const branch64 = (on: Condition, dst: number, value: Operand, off: number): RawInsn =>
  operand(CLASS.jmp | JMP[on].code, dst, value, off);
export const branch32 = (on: Condition, dst: number, value: Operand, off: number): RawInsn =>
  operand(CLASS.jmp32 | JMP[on].code, dst, value, off);
export const load = (bytes: AccessBytes, dst: number, src: number, off: number): RawInsn =>
  insn(CLASS.ldx | MODE.mem | SIZE_OF_BYTES[bytes], dst, src, off, 0);
export const loadSigned = (bytes: 1 | 2 | 4, dst: number, src: number, off: number): RawInsn =>
  insn(CLASS.ldx | MODE.memsx | SIZE_OF_BYTES[bytes], dst, src, off, 0);
export const store = (bytes: AccessBytes, dst: number, off: number, value: Operand): RawInsn =>
  typeof value === "number"
    ? insn(CLASS.st | MODE.mem | SIZE_OF_BYTES[bytes], dst, 0, off, value)
    : insn(CLASS.stx | MODE.mem | SIZE_OF_BYTES[bytes], dst, value.register, off, 0);
export const atomic = (bytes: 4 | 8, operation: number, dst: number, off: number, src: number): RawInsn =>
  insn(CLASS.stx | MODE.atomic | SIZE_OF_BYTES[bytes], dst, src, off, operation);
export const ATOMIC_OPERATIONS: readonly number[] = [
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
];
export const constant = (dst: number, value: bigint): readonly RawInsn[] => [
  insn(LDDW, dst, 0, 0, Number(BigInt.asIntN(32, value))),
  insn(0, 0, 0, 0, Number(BigInt.asIntN(32, value >> 32n))),
];
/** An lddw of a map or of a place in its only value; the loader (or `link`) puts the address in. */
export const mapAddress = (dst: number, fd: number): readonly RawInsn[] => [
  insn(LDDW, dst, PSEUDO.mapFd, 0, fd),
  insn(0, 0, 0, 0, 0),
];
export const mapValue = (dst: number, fd: number, offset: number): readonly RawInsn[] => [
  insn(LDDW, dst, PSEUDO.mapValue, 0, fd),
  insn(0, 0, 0, 0, offset),
];
export const callLocal = (distance: number): RawInsn => insn(CLASS.jmp | JMP.call.code, 0, CALL.local, 0, distance);
export const call = (helper: number): RawInsn => insn(CLASS.jmp | JMP.call.code, 0, CALL.helper, 0, helper);
export const exit: RawInsn = insn(CLASS.jmp | JMP.exit.code, 0, 0, 0, 0);
