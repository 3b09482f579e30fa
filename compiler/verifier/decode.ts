/** Opcodes as the verifier tells them apart: which exist, and where control goes. */
import { ALU, CLASS, JMP, LDDW, MODE, SIZE, SIZE_BYTES, SRC_X, type AluName, type JmpName } from "../bpf/opcodes.ts";
import type { RawInsn } from "../bpf/raw.ts";
import type { Rule, Rules } from "../bpf/verifier-rules.ts";

export const classOf = (code: number): number => code & 7;
export const modeOf = (code: number): number => code & 0xe0;
export const operationOf = (code: number): number => code & 0xf0;
export const usesRegister = (code: number): boolean => (code & SRC_X) !== 0;
export const sizeOf = (code: number): 1 | 2 | 4 | 8 => SIZE_BYTES[(code & 0x18) as keyof typeof SIZE_BYTES];
export const isJump = (code: number): boolean => classOf(code) === CLASS.jmp || classOf(code) === CLASS.jmp32;
export const isLddw = (insn: RawInsn): boolean => insn.code === LDDW;

const aluNames = new Map<number, AluName>(Object.entries(ALU).map(([name, row]) => [row.code, name as AluName]));
const jmpNames = new Map<number, JmpName>(Object.entries(JMP).map(([name, row]) => [row.code, name as JmpName]));
export const aluOf = (code: number): AluName | undefined => aluNames.get(operationOf(code));
export const jmpOf = (code: number): JmpName | undefined => jmpNames.get(operationOf(code));

/** `may_goto`: a conditional jump that the kernel takes when a hidden counter has run out. */
export const MAY_GOTO = CLASS.jmp | 0xe0;

export const CALL_CODE = CLASS.jmp | JMP.call.code;
export const EXIT_CODE = CLASS.jmp | JMP.exit.code;
export const isLocalCall = (insn: RawInsn): boolean => insn.code === CALL_CODE && insn.src === 1;
export const isKfuncCall = (insn: RawInsn): boolean => insn.code === CALL_CODE && insn.src === 2;
export const isFunctionAddress = (insn: RawInsn): boolean => isLddw(insn) && insn.src === 4;

/** Distance of a jump in slots, counted from the next slot: `gotol` has it in the immediate. */
export const jumpDistance = (insn: RawInsn): number =>
  insn.code === (CLASS.jmp32 | JMP.ja.code) ? insn.imm : insn.off;

const known = new Set<number>();
for (const wide of [CLASS.alu, CLASS.alu64]) {
  for (const [name, { code }] of Object.entries(ALU)) {
    if (name !== "end") known.add(wide | code);
    if (name !== "end" && name !== "neg") known.add(wide | code | SRC_X);
  }
}
known
  .add(CLASS.alu | ALU.end.code)
  .add(CLASS.alu | ALU.end.code | SRC_X)
  .add(CLASS.alu64 | ALU.end.code);
for (const jump of [CLASS.jmp, CLASS.jmp32]) {
  for (const [name, { code }] of Object.entries(JMP)) {
    if (["ja", "call", "exit"].includes(name)) continue;
    known.add(jump | code).add(jump | code | SRC_X);
  }
}
known
  .add(CLASS.jmp | JMP.ja.code)
  .add(CLASS.jmp32 | JMP.ja.code)
  .add(CALL_CODE)
  .add(EXIT_CODE)
  .add(MAY_GOTO);
for (const size of Object.values(SIZE)) {
  known
    .add(CLASS.ldx | size | MODE.mem)
    .add(CLASS.st | size | MODE.mem)
    .add(CLASS.stx | size | MODE.mem);
  known.add(CLASS.stx | size | MODE.atomic);
  if (size === SIZE.dw) continue;
  known.add(CLASS.ldx | size | MODE.memsx);
  known.add(CLASS.ld | size | MODE.abs).add(CLASS.ld | size | MODE.ind);
}
known.add(LDDW);

/** Opcodes that came later, with the rule that says whether a release has them. */
const later = new Map<number, Rule>([
  [CLASS.alu64 | ALU.end.code, "isaV4"],
  [CLASS.jmp32 | JMP.ja.code, "gotol"],
  [MAY_GOTO, "mayGoto"],
  [CLASS.stx | SIZE.b | MODE.atomic, "acquireRelease"],
  [CLASS.stx | SIZE.h | MODE.atomic, "acquireRelease"],
]);

/** Whether a kernel with these rules knows the opcode at all. */
export function isKnownOpcode(code: number, rules: Rules): boolean {
  const rule = later.get(code);
  return known.has(code) && (rule === undefined || rules[rule]);
}

/** Slots that control may go to next inside the same function, the fall-through first. A call goes on behind itself. */
export function successors(insns: readonly RawInsn[], at: number): readonly number[] {
  const insn = insns[at]!;
  if (isLddw(insn)) return [at + 2];
  if (!isJump(insn.code)) return [at + 1];
  const operation = operationOf(insn.code);
  if (operation === JMP.exit.code) return [];
  if (operation === JMP.call.code) return [at + 1];
  const target = at + 1 + jumpDistance(insn);
  return operation === JMP.ja.code ? [target] : [at + 1, target];
}
