/** How a value came to be: the instructions on the failing path that made it, the last first. */
import { CLASS, MODE } from "../bpf/opcodes.ts";
import { disassemble } from "../bpf/disassemble.ts";
import { helperName } from "../bpf/helpers.ts";
import type { RawInsn } from "../bpf/raw.ts";
import { aluOf, classOf, isJump, isLddw, isLocalCall, modeOf, operationOf, usesRegister } from "./decode.ts";
import { showReg, type State } from "./state.ts";
import type { Step } from "./verify.ts";

export interface Origin {
  readonly insn: number;
  /** What happened there, in words. */
  readonly text: string;
}

const MOST_ORIGINS = 4;

/** Follows a register back through moves, arithmetic, loads and calls. `steps` ends with the failing instruction. */
export function originsOf(insns: readonly RawInsn[], steps: readonly Step[], register: number): readonly Origin[] {
  const origins: Origin[] = [];
  let wanted: number | undefined = register;
  let depth = steps[steps.length - 1]?.state.frames.length ?? 1;
  for (let at = steps.length - 2; at >= 0 && wanted !== undefined && origins.length < MOST_ORIGINS; at--) {
    const { insn: slot, state } = steps[at]!;
    const after = steps[at + 1]!.state;
    if (state.frames.length < depth && after.frames.length === depth && wanted >= 1 && wanted <= 5) {
      // Arguments of a function are its caller's registers.
      depth = state.frames.length;
      continue;
    }
    if (state.frames.length !== depth || after.frames.length !== depth) continue;
    const insn = insns[slot]!;
    if (!defines(insn, wanted)) {
      const learned = learnedAt(insn, wanted, state, after);
      if (learned !== undefined) origins.push({ insn: slot, text: learned });
      continue;
    }
    origins.push({ insn: slot, text: describe(insns, slot, wanted, after) });
    wanted = sourceOf(insn, wanted);
  }
  return origins;
}

function defines(insn: RawInsn, register: number): boolean {
  switch (classOf(insn.code)) {
    case CLASS.alu:
    case CLASS.alu64:
    case CLASS.ldx:
      return insn.dst === register;
    case CLASS.ld:
      return isLddw(insn) ? insn.dst === register : register <= 5;
    case CLASS.stx:
      return modeOf(insn.code) === MODE.atomic && (insn.imm & 1) !== 0 && insn.src === register;
    case CLASS.jmp:
      return operationOf(insn.code) === 0x80 && register <= 5;
    default:
      return false;
  }
}

/** The register to follow further; none where the value comes from outside. */
function sourceOf(insn: RawInsn, register: number): number | undefined {
  const name = aluOf(insn.code);
  switch (classOf(insn.code)) {
    case CLASS.alu:
    case CLASS.alu64:
      if (name === "mov") return usesRegister(insn.code) ? insn.src : undefined;
      return register;
    default:
      return undefined;
  }
}

const valueIn = (state: State, register: number): string =>
  showReg(state.frames[state.frames.length - 1]!.regs[register]!);

function describe(insns: readonly RawInsn[], slot: number, register: number, after: State): string {
  const insn = insns[slot]!;
  if (isJump(insn.code)) {
    if (isLocalCall(insn)) return `this call overwrites r${register}`;
    const name = helperName(insn.imm);
    const what = name === undefined ? "this call" : `bpf_${name}`;
    if (register !== 0) return `${what} leaves nothing in r${register}`;
    return `${what} returned it: ${valueIn(after, 0)}`;
  }
  return `made here by "${disassemble(insns, slot).text}": ${valueIn(after, register)}`;
}

/** What a comparison told of the register. */
function learnedAt(insn: RawInsn, register: number, before: State, after: State): string | undefined {
  if (!isJump(insn.code) || (insn.dst !== register && !(usesRegister(insn.code) && insn.src === register)))
    return undefined;
  const was = valueIn(before, register);
  const is = valueIn(after, register);
  return was === is ? undefined : `this comparison narrows it to ${is}`;
}
