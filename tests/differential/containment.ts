/**
 * The virtual machine inside of the verifier: both walk the same path in step, and at every instruction each concrete register
 * must be one that the verifier's abstract register stands for.
 */
import { kernels } from "../../compiler/bpf/kernels.ts";
import { NEWEST, NEWEST_RULES } from "../../compiler/bpf/verifier-rules.ts";
import { contextLayout } from "../../compiler/bpf/kinds/index.ts";
import { CLASS } from "../../compiler/bpf/opcodes.ts";
import type { RawInsn } from "../../compiler/bpf/raw.ts";
import { step } from "../../compiler/verifier/interpret.ts";
import { pointer, scalarOf, showState, type Reg, type VerifierMap } from "../../compiler/verifier/state.ts";
import { checkStructure } from "../../compiler/verifier/structure.ts";
import { isVerdict } from "../../compiler/verifier/verdict.ts";
import { newEnv, type Program } from "../../compiler/verifier/verify.ts";
import { holds } from "../../runtime/vm/interpret.ts";
import { jumpTarget } from "../../runtime/vm/program.ts";

export interface TracePoint {
  readonly slot: number;
  /** r0 to r10, unsigned. */
  readonly registers: readonly bigint[];
  readonly frame: number;
}
export interface Checked {
  readonly steps: number;
  /** Registers compared: those the verifier knows something of. */
  readonly registers: number;
  /** Absent: every register lay inside. */
  readonly violation?: string;
  /** The verifier stopped before the end: why. */
  readonly stopped?: string;
}
export interface Given {
  readonly insns: readonly RawInsn[];
  readonly trace: readonly TracePoint[];
  /** The one map (descriptor 0), whose value lies at `valueAddress`. */
  readonly map?: VerifierMap;
  readonly valueAddress?: bigint;
  /** r1 points to memory of so many bytes at `valueAddress`, r2 is that number. */
  readonly memory?: number;
}

const u64 = (value: bigint): bigint => BigInt.asUintN(64, value);

/** Does the abstract value stand for this number? */
function stands(reg: Reg["value"], value: bigint): string | undefined {
  const signed = BigInt.asIntN(64, value);
  const low = Number(value & 0xffff_ffffn);
  const lowSigned = low | 0;
  if ((value & ~reg.bits.mask & 0xffff_ffff_ffff_ffffn) !== u64(reg.bits.value)) return "known bits";
  if (value < reg.umin || value > reg.umax) return "unsigned bounds";
  if (signed < reg.smin || signed > reg.smax) return "signed bounds";
  if (low < reg.u32min || low > reg.u32max) return "unsigned 32-bit bounds";
  if (lowSigned < reg.s32min || lowSigned > reg.s32max) return "signed 32-bit bounds";
  return undefined;
}

function outside(reg: Reg, value: bigint, given: Given, frames: readonly bigint[]): string | undefined {
  switch (reg.type) {
    case "?":
      return undefined;
    case "scalar":
      return stands(reg.value, value);
    case "fp": {
      const base = frames[reg.frame];
      return base === undefined ? "frame" : stands(reg.value, u64(value - base - BigInt(reg.off)));
    }
    case "map_value":
    case "mem":
      if (reg.nullable && value === 0n) return undefined;
      return stands(reg.value, u64(value - (given.valueAddress ?? 0n) - BigInt(reg.off)));
    default:
      return undefined;
  }
}

/** Follows a finished run of the machine with the verifier. */
export function contains(given: Given): Checked {
  const { insns, trace } = given;
  const maps = new Map<number, VerifierMap>(given.map ? [[0, given.map]] : []);
  const program: Program = {
    insns,
    type: "socket_filter",
    attach: 0,
    flags: 0,
    maps,
    typed: false,
    gpl: true,
    release: NEWEST,
    features: kernels.mainline.features,
  };
  let at = 0;
  let registers = 0;
  const frames: bigint[] = [];
  /** Which way the machine went: at a jump, or where the verifier splits a value into 0 and -1. */
  const went = (slot: number): boolean => {
    const insn = insns[slot]!;
    const values = trace[at]!.registers;
    if (jumpTarget(insn, slot) === undefined) {
      const value = values[insn.dst]!;
      return (insn.code & 7) === CLASS.alu
        ? (value & 0xffff_ffffn) === 0n
        : value === 0n || (value & 0xffff_ffffn) === 0n;
    }
    const narrow = (insn.code & 7) === CLASS.jmp32;
    const bits = narrow ? 32 : 64;
    const other = insn.code & 8 ? values[insn.src]! : BigInt(insn.imm);
    return holds(insn.code & 0xf0, BigInt.asUintN(bits, values[insn.dst]!), BigInt.asUintN(bits, other), narrow);
  };
  try {
    const structure = checkStructure(insns, maps, false, NEWEST_RULES);
    const env = newEnv(program, structure, contextLayout("socket_filter", 0, kernels.mainline.features, NEWEST)!, went);
    const entry = env.state.frames[0]!.regs;
    if (given.memory !== undefined) {
      const memory: VerifierMap = { type: "array", key: 4, value: given.memory, max: 1, flags: 0 };
      entry[1] = given.memory > 0 ? pointer("map_value", { map: memory }) : scalarOf(0n);
      entry[2] = scalarOf(BigInt(given.memory));
    }
    for (; at < trace.length; at++) {
      const point = trace[at]!;
      frames[point.frame] = point.registers[10]!;
      if (env.insn !== point.slot)
        return { steps: at, registers, violation: `the machine is at ${point.slot}, the verifier at ${env.insn}` };
      const regs = env.state.frames.at(-1)!.regs;
      for (let register = 0; register <= 10; register++) {
        const reg = regs[register]!;
        const why = outside(reg, point.registers[register]!, given, frames);
        if (reg.type !== "?") registers++;
        if (why)
          return {
            steps: at,
            registers,
            violation: `instruction ${point.slot}: r${register} = 0x${point.registers[register]!.toString(16)} is outside (${why}): ${showState(env.state)}`,
          };
      }
      if (step(env)) return { steps: at + 1, registers };
    }
    return { steps: at, registers };
  } catch (thrown) {
    if (!isVerdict(thrown)) throw thrown;
    return { steps: at, registers, stopped: thrown.kind === "unsupported" ? thrown.feature : thrown.message };
  }
}
