/**
 * Register states against the kernel's: its log at level 2 prints what it knows of each register after each instruction. Both walk
 * the same paths in the same order, so the two can be laid side by side. Sharper than the kernel is a danger, weaker a false alarm.
 */
import { KINDS, type ProgramTypeName } from "../../compiler/bpf/kinds/index.ts";
import { S32_MAX, S32_MIN, S64_MAX, S64_MIN, U32_MAX, type Scalar } from "../../compiler/verifier/scalar.ts";
import { copyState, currentFrame, type Reg, type State } from "../../compiler/verifier/state.ts";
import { U64 } from "../../compiler/verifier/tnum.ts";
import { verify, type Program } from "../../compiler/verifier/verify.ts";
import { loadProgram } from "./kernel.ts";
import { withKernelMaps } from "./verifier.ts";

export interface Difference {
  readonly insn: number;
  readonly register: number;
  readonly ours: string;
  readonly kernel: string;
}
export interface StateComparison {
  /** Registers compared. */
  readonly compared: number;
  readonly differences: readonly Difference[];
  /** The walks took another order, so nothing more was compared. */
  readonly diverged?: string;
}

interface LogStep {
  readonly insn: number;
  /** Another path begins here. */
  readonly fresh: boolean;
  readonly regs: ReadonlyMap<number, string>;
}

/** The instructions of the log in order, each with the registers printed behind it. */
export function parseLog(log: string): LogStep[] {
  const steps: LogStep[] = [];
  let fresh = false;
  for (const line of log.split("\n")) {
    if (/^from \d+ to|^\d+: safe/.test(line)) fresh = true;
    const found = /^(\d+): \([0-9a-f]{2}\) (.*)$/.exec(line);
    if (!found) continue;
    const regs = new Map<number, string>();
    // Calls and entries print "frame1:" first; registers of other frames than the current are left out.
    const printed = / ; (?!frame)(.*)$/.exec(found[2]!)?.[1] ?? "";
    for (const match of printed.matchAll(/\bR(\d+)=((?:[^\s(]|\((?:[^()]|\([^()]*\))*\))+)/g))
      regs.set(Number(match[1]), match[2]!);
    steps.push({ insn: Number(found[1]), fresh, regs });
    fresh = false;
  }
  return steps;
}

const DEFAULTS = {
  smin: S64_MIN,
  smax: S64_MAX,
  umin: 0n,
  umax: U64,
  smin32: BigInt(S32_MIN),
  smax32: BigInt(S32_MAX),
  umin32: 0n,
  umax32: BigInt(U32_MAX),
};
type Bound = keyof typeof DEFAULTS;

/** The kernel prints negative numbers in hex as their 64- or 32-bit pattern. */
function number(text: string, bound: Bound): bigint {
  const value = text.startsWith("-") ? -BigInt(text.slice(1)) : BigInt(text);
  if (bound === "smin" || bound === "smax") return BigInt.asIntN(64, value);
  if (bound === "smin32" || bound === "smax32") return BigInt.asIntN(32, value);
  return BigInt.asUintN(bound.endsWith("32") ? 32 : 64, value);
}

/** A canonical text of a scalar in the log; undefined if it is none. */
export function kernelScalar(text: string): string | undefined {
  const plain = /^P?(-?(?:0x)?[0-9a-f]+)$/.exec(text);
  if (plain) {
    const value = BigInt.asUintN(64, plain[1]!.startsWith("-") ? -BigInt(plain[1]!.slice(1)) : BigInt(plain[1]!));
    return `const ${value}`;
  }
  const scalar = /^P?scalar\((.*)\)$/.exec(text);
  if (!scalar) return undefined;
  const bounds = { ...DEFAULTS };
  const inner = scalar[1]!;
  const bits = /var_off=\((0x[0-9a-f]+); (0x[0-9a-f]+)\)/.exec(inner);
  for (const part of inner.replace(/,?var_off=\([^)]*\)/, "").split(",")) {
    const names = part.split("=");
    const value = names.pop();
    if (value === undefined || names[0] === "id") continue;
    for (const name of names) if (name in bounds) bounds[name as Bound] = number(value, name as Bound);
  }
  return text_(bounds, bits ? BigInt(bits[1]!) : 0n, bits ? BigInt(bits[2]!) : U64);
}
const text_ = (bounds: typeof DEFAULTS, value: bigint, mask: bigint): string =>
  `${Object.entries(bounds)
    .map(([name, bound]) => `${name}=${bound}`)
    .join(" ")} (${value.toString(16)};${mask.toString(16)})`;

function ourScalar(s: Scalar): string {
  if (s.bits.mask === 0n) return `const ${s.bits.value}`;
  const { smin, smax, umin, umax, s32min, s32max, u32min, u32max } = s;
  const bounds = {
    smin,
    smax,
    umin,
    umax,
    smin32: BigInt(s32min),
    smax32: BigInt(s32max),
    umin32: BigInt(u32min),
    umax32: BigInt(u32max),
  };
  return text_(bounds, s.bits.value, s.bits.mask);
}

/** Compares the states of one program that the kernel accepts. */
export function compareStates(program: Program, accepted = true): StateComparison {
  const request = {
    type: KINDS[program.type as ProgramTypeName].number,
    attach: program.attach,
    flags: program.flags,
    insns: withKernelMaps(program),
    logLevel: 2,
  };
  const { log, errno } = loadProgram(request);
  if (accepted && errno !== 0) return { compared: 0, differences: [], diverged: `kernel: errno ${errno}` };
  const ours: { readonly insn: number; readonly state: State; readonly fresh: boolean }[] = [];
  const result = verify(program, {
    trace: (insn, state, fresh) => ours.push({ insn, state: copyState(state), fresh }),
  });
  const differences: Difference[] = [];
  let compared = 0;
  const kernel = parseLog(log);
  for (let at = 0; at < kernel.length; at++) {
    const step = kernel[at]!;
    if (ours[at]?.insn !== step.insn || ours[at]?.fresh !== step.fresh)
      return { compared, differences, diverged: `step ${at}: kernel at ${step.insn}, we at ${ours[at]?.insn}` };
    const after = ours[at + 1];
    const next = kernel[at + 1];
    if (
      after === undefined ||
      next === undefined ||
      next.fresh ||
      ours[at]!.state.frames.length !== after.state.frames.length
    )
      continue;
    if (!follows(program, step.insn, next.insn)) continue;
    for (const [register, text] of step.regs) {
      const theirs = kernelScalar(text);
      const reg: Reg | undefined = currentFrame(after.state).regs[register];
      if (reg === undefined) continue;
      compared++;
      const mine = reg.type === "scalar" ? ourScalar(reg.value) : reg.type;
      const kernelText = theirs ?? text.replace(/[(\d[-].*$/s, "").replace(/_or_null_?.*$/, "");
      if (mine !== kernelText)
        differences.push({ insn: step.insn, register, ours: mine, kernel: theirs ?? kernelText });
    }
  }
  const processed = Number(/^processed (\d+) insns/m.exec(log)?.[1]);
  if (result.verdict === "accept" && result.processed !== processed)
    return { compared, differences, diverged: `kernel processed ${processed}, we ${result.processed}` };
  return { compared, differences };
}

/** Whether the next line of the log goes on with the same path: only straight on, since after a jump it may be another. */
function follows(program: Program, insn: number, next: number): boolean {
  const { code } = program.insns[insn]!;
  const jump = (code & 7) === 5 || (code & 7) === 6;
  return next === insn + (code === 0x18 ? 2 : 1) && code !== 0x95 && !(jump && code === 0x05);
}
