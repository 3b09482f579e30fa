/** What one verification carries along: the program, the current state, and what was learned of the instructions so far. */
import type { KernelTypes } from "../bpf/kernel-types.ts";
import type { Kernel } from "../bpf/kernels.ts";
import type { ContextLayout } from "../bpf/kinds/access.ts";
import type { RawInsn } from "../bpf/raw.ts";
import type { KernelFunction, WholeKernel } from "../bpf/whole-kernel.ts";
import type { Rules, Version } from "../bpf/verifier-rules.ts";
import type { Entry } from "./kernel-structs.ts";
import type { Flow } from "./flow.ts";
import type { Recall } from "./recall.ts";
import type { Structure } from "./structure.ts";
import { ANY_SCALAR, currentFrame, replaceRegs, type Reg, type State, type VerifierMap } from "./state.ts";
import { reject } from "./verdict.ts";
import type { Scalar } from "./scalar.ts";
import { repair, violatesInvariants } from "./branch.ts";

/** Flags of BPF_PROG_LOAD that change what the verifier does. */
export const LOAD_FLAGS = {
  strictAlignment: 1,
  anyAlignment: 2,
  testRandomHigh32: 4,
  testStateFrequency: 8,
  sleepable: 16,
  testRegInvariants: 128,
} as const;

export interface Program {
  readonly insns: readonly RawInsn[];
  /** Program type as libbpf names it. */
  readonly type: string;
  /** expected_attach_type. */
  readonly attach: number;
  /** Flags of BPF_PROG_LOAD. */
  readonly flags: number;
  /** Maps by the file descriptor in the `lddw` that refers to them. */
  readonly maps: ReadonlyMap<number, VerifierMap>;
  /** Its functions are described by BTF. */
  readonly typed: boolean;
  /** What cannot be known of the program before it is loaded, and the instruction that refers to it. */
  readonly unknown?: { readonly what: string; readonly insn: number };
  /** GPL-compatible, so that every helper may be called. */
  readonly gpl: boolean;
  /** The version of Linux whose verifier is asked. */
  readonly release: Version;
  /** What the target has beyond versions: more context, more helpers. */
  readonly features: Kernel["features"];
  /** The kernel's structs; absent: those of the repository. */
  readonly types?: KernelTypes;
  /** The kernel's types as a whole: whatever the program looks into is judged by them. */
  readonly kernel?: WholeKernel;
  /** Of a tracepoint with types: what it hands on. */
  readonly traced?: KernelFunction & { readonly tracepoint: string };
  /** Why the kernel takes it for nothing that it calls. */
  readonly refused?: string;
  /** Of struct_ops: as which function it is called. */
  readonly entry?: Entry;
  /** Names of the kernel's functions, by the calls of them. */
  readonly kfuncs?: ReadonlyMap<number, string>;
}

/** The outcomes of the undecided jumps on the way here, the last first. */
export interface Outcome {
  readonly insn: number;
  /** The jump was taken (or, at a fork of values, the second value was chosen). */
  readonly taken: boolean;
  readonly before: Outcome | undefined;
}

/** A path to be explored later. */
export interface Pending {
  readonly insn: number;
  readonly from: number;
  readonly state: State;
  readonly parent: Explored | undefined;
  readonly path: Outcome | undefined;
}
/** A state at a prune point. */
export interface Explored {
  readonly insn: number;
  readonly state: State;
  readonly parent: Explored | undefined;
  /** Paths from here that are not finished yet. */
  branches: number;
  /** How many states lie before it on its path. */
  readonly depth: number;
  /** The first state on the path that a path from here has come back to, where iterators end the loop. */
  entry: Explored | undefined;
  hits: number;
  misses: number;
}

/** What the outcomes of a comparison tell of its operands, left and right. */
export interface Lessons {
  readonly falls: readonly [Scalar, Scalar];
  readonly jumps: readonly [Scalar, Scalar];
}
export interface Env {
  readonly program: Program;
  /** What the verifier of the program's release tracks. */
  readonly rules: Rules;
  readonly structure: Structure;
  readonly context: ContextLayout;
  readonly flow: Flow;
  readonly pending: Pending[];
  readonly explored: Map<number, Explored[]>;
  /** Calls of helpers that the program may make, whatever the path. */
  readonly allowedCalls: Set<number>;
  /** Of arithmetic, moves and loads. */
  readonly results: Recall<Scalar>;
  /** Of jumps: the outcome, where it is certain, and what both outcomes tell of the operands. */
  readonly decisions: Recall<boolean | undefined>;
  readonly lessons: Recall<Lessons>;
  /** Of what the program is taken to make sure of. */
  readonly assumptions: Recall<Scalar>;
  /** Type of pointer that each access went through, where one instruction may not serve several. */
  readonly accessTypes: Map<number, string>;
  /** Bytes of stack per subprogram. */
  readonly stackDepth: number[];
  state: State;
  insn: number;
  /** The instruction that was processed last. */
  previous: number;
  parent: Explored | undefined;
  path: Outcome | undefined;
  lastId: number;
  processed: number;
  jumps: number;
  processedAtState: number;
  jumpsAtState: number;
  peakStates: number;
  /** Follows a recorded path instead of exploring: gives the outcome of an undecided jump. */
  readonly replay: ((insn: number) => boolean) | undefined;
}

export const regsOf = (env: Env): Reg[] => currentFrame(env.state).regs;
export const newId = (env: Env): number => ++env.lastId;
export const insnAt = (env: Env): RawInsn => env.program.insns[env.insn]!;
export const hasFlag = (env: Env, flag: keyof typeof LOAD_FLAGS): boolean =>
  (env.program.flags & LOAD_FLAGS[flag]) !== 0;

/** What RCU keeps alive stays: a program that may not sleep is in an RCU section from its start to its end. */
export const inRcu = (env: Env): boolean => env.state.inRcu || !hasFlag(env, "sleepable");

/** The register to be read. */
export function source(env: Env, index: number): Reg {
  if (index > 10) reject("encoding", `R${index} is invalid`);
  const reg = regsOf(env)[index]!;
  if (reg.type === "?") reject("uninit-reg", `R${index} !read_ok`, index);
  return reg;
}
/** Checks that the register may be written. */
export function checkTarget(index: number): void {
  if (index > 10) reject("encoding", `R${index} is invalid`);
  if (index === 10) reject("stack-oob", "frame pointer is read only");
}

const MAX_PENDING = 8192;
/** Remembers a copy of a state for later. */
export function later(env: Env, insn: number, state: State, taken: boolean): void {
  if (env.replay !== undefined) return;
  env.pending.push({
    insn,
    from: env.insn,
    state,
    parent: env.parent,
    path: { insn: env.insn, taken, before: env.path },
  });
  if (env.parent !== undefined) env.parent.branches++;
  if (env.pending.length > MAX_PENDING)
    reject("too-complex", `The sequence of ${env.pending.length} jumps is too complex.`);
}
/** Notes the outcome that the current path goes on with. */
export function goOn(env: Env, taken: boolean): void {
  env.path = { insn: env.insn, taken, before: env.path };
}

/** After a helper that may have moved or changed the packet, pointers into it are of no use. */
export function forgetPackets(env: Env): void {
  replaceRegs(env.state, (reg) =>
    reg.type === "pkt" || reg.type === "pkt_meta" || reg.type === "pkt_end" ? INVALIDATED : reg,
  );
}
/** What is left of a pointer that lost its meaning: to a privileged program it is a number. */
export const INVALIDATED: Reg = ANY_SCALAR;

/** The kernel's self-check after arithmetic: contradictory knowledge is forgotten, or, if the loader asked for it, an error. */
export function checkInvariants(env: Env, value: Scalar): Scalar {
  if (!env.rules.repairs || !violatesInvariants(value)) return value;
  if (hasFlag(env, "testRegInvariants")) reject("other", "REG INVARIANTS VIOLATION");
  return repair(value);
}
