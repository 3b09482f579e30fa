/** A few words of assembly for verifier cases: programs as lists of slots. */
import { kernels } from "../../compiler/bpf/kernels.ts";
import { NEWEST } from "../../compiler/bpf/verifier-rules.ts";
import type { RawInsn } from "../../compiler/bpf/raw.ts";
import { verify, type Program, type Result, type VerifierMap } from "../../compiler/verifier/verify.ts";

const insn = (code: number, dst = 0, src = 0, off = 0, imm = 0): RawInsn => ({ code, dst, src, off, imm });
const SIZE = { 1: 0x10, 2: 0x08, 4: 0x00, 8: 0x18 } as const;
type Bytes = keyof typeof SIZE;
const ALU = {
  add: 0x00,
  sub: 0x10,
  mul: 0x20,
  or: 0x40,
  and: 0x50,
  lsh: 0x60,
  rsh: 0x70,
  arsh: 0xc0,
  mov: 0xb0,
} as const;
const JMP = { eq: 0x10, gt: 0x20, ge: 0x30, ne: 0x50, sgt: 0x60, lt: 0xa0, le: 0xb0, slt: 0xc0 } as const;

export const mov = (dst: number, imm: number): RawInsn => insn(0xb7, dst, 0, 0, imm);
export const copy = (dst: number, src: number): RawInsn => insn(0xbf, dst, src);
export const op = (name: keyof typeof ALU, dst: number, imm: number): RawInsn => insn(0x07 | ALU[name], dst, 0, 0, imm);
export const opReg = (name: keyof typeof ALU, dst: number, src: number): RawInsn => insn(0x0f | ALU[name], dst, src);
export const load = (bytes: Bytes, dst: number, src: number, off: number): RawInsn =>
  insn(0x61 | SIZE[bytes], dst, src, off);
export const store = (bytes: Bytes, dst: number, off: number, src: number): RawInsn =>
  insn(0x63 | SIZE[bytes], dst, src, off);
export const storeImm = (bytes: Bytes, dst: number, off: number, imm: number): RawInsn =>
  insn(0x62 | SIZE[bytes], dst, 0, off, imm);
export const jump = (name: keyof typeof JMP, dst: number, imm: number, off: number): RawInsn =>
  insn(0x05 | JMP[name], dst, 0, off, imm);
export const jumpReg = (name: keyof typeof JMP, dst: number, src: number, off: number): RawInsn =>
  insn(0x0d | JMP[name], dst, src, off);
export const go = (off: number): RawInsn => insn(0x05, 0, 0, off);
export const call = (helper: number): RawInsn => insn(0x85, 0, 0, 0, helper);
export const callLocal = (distance: number): RawInsn => insn(0x85, 0, 1, 0, distance);
export const exit: RawInsn = insn(0x95);
export const mapFd = (dst: number, fd: number): RawInsn[] => [insn(0x18, dst, 1, 0, fd), insn(0)];
export const mapValue = (dst: number, fd: number, off: number): RawInsn[] => [
  insn(0x18, dst, 2, 0, fd),
  insn(0, 0, 0, 0, off),
];
export const raw = insn;

export const hash: VerifierMap = { name: "sessions", type: "hash", key: 4, value: 16, max: 8, flags: 0 };
export const ringbuf: VerifierMap = { name: "events", type: "ringbuf", key: 0, value: 0, max: 4096, flags: 0 };
export const constants: VerifierMap = {
  name: ".rodata",
  type: "array",
  key: 4,
  value: 8,
  max: 1,
  flags: 0x80,
  frozen: new Uint8Array([5, 0, 0, 0, 9, 0, 0, 0]),
  varying: [{ start: 4, end: 8 }],
};
export const HASH = 1;
export const RINGBUF = 2;
export const CONSTANTS = 3;

/** A sock_ops program (or one of another type) that may use the three maps. */
export function programOf(insns: readonly RawInsn[], part: Partial<Program> = {}): Program {
  return {
    insns,
    type: "sock_ops",
    attach: 3,
    flags: 0,
    maps: new Map([
      [HASH, hash],
      [RINGBUF, ringbuf],
      [CONSTANTS, constants],
    ]),
    typed: true,
    gpl: true,
    release: NEWEST,
    features: kernels.mainline.features,
    ...part,
  };
}
export const check = (...given: Parameters<typeof programOf>): Result => verify(programOf(...given));
