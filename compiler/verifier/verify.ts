/**
 * The verifier: says of a program what the verifier of a kernel says to a privileged loader, instruction for instruction; which
 * releases it knows, and what they track, is data (compiler/bpf/verifier-rules.ts).
 * It walks every path with what is known of each register and stack slot, in the kernel's order, and stops where a path is covered by
 * one that was walked before. Where it cannot tell, it says so ("unsupported") rather than guess.
 */
import { rulesOf } from "../bpf/verifier-rules.ts";
import { contextLayout, kindOf, maySleep } from "../bpf/kinds/index.ts";
import { hasCome, mapTypeSince, programTypeSince } from "../bpf/since.ts";
import { LOAD_FLAGS, type Env, type Outcome, type Program } from "./env.ts";
import { createFlow } from "./flow.ts";
import { step } from "./interpret.ts";
import { iterates } from "./kernel-calls.ts";
import { assumeOf, type Assumption } from "./jumps.ts";
import { endPath, seenBefore } from "./prune.ts";
import { checkStackDepth } from "./stack-depth.ts";
import { copyState, newFrame, pointer, type State } from "./state.ts";
import { checkStructure, type Structure } from "./structure.ts";
import { isVerdict, reject, rejectAt, unsupported, type Category } from "./verdict.ts";

export type { Program } from "./env.ts";
export type { VerifierMap } from "./state.ts";
export type { Category } from "./verdict.ts";

/** Instructions that the kernel is willing to process. */
export const MAX_PROCESSED = 1_000_000;

export type Result = Accepted | Rejection | NotSupported;
export interface Accepted {
  readonly verdict: "accept";
  /** Instructions processed on all paths. */
  readonly processed: number;
  /** Bytes of stack of the deepest chain of calls. */
  readonly stack: number;
  /** States kept for comparison. */
  readonly states: number;
}
export interface Rejection {
  readonly verdict: "reject";
  /** Slot of the instruction that the kernel would name; absent where it names none. */
  readonly failingInsn?: number;
  readonly category: Category;
  /** In the kernel's words, as far as they are stable. */
  readonly message: string;
  /** The register whose content is to blame. */
  readonly register?: number;
  /** Registers and stack before the failing instruction. */
  readonly state?: State;
  /** Outcomes of the undecided jumps on the way, first to last. */
  readonly path: readonly { readonly insn: number; readonly taken: boolean }[];
  readonly processed: number;
}
export interface NotSupported {
  readonly verdict: "unsupported";
  readonly feature: string;
  readonly insn?: number;
}

export interface Options {
  /** Called with the state before each instruction that is processed; `fresh` where another path begins. */
  readonly trace?: (insn: number, state: State, fresh: boolean) => void;
  /** Goes on as if the program had made sure of this before the instruction. */
  readonly assume?: (insn: number, state: State) => Assumption | undefined;
  /** Give up ("unsupported") after so many instructions, below the kernel's own limit. */
  readonly budget?: number;
}

/** Verifies a program. Total: whatever the instructions are, there is a result. */
export function verify(program: Program, options: Options = {}): Result {
  let env: Env | undefined;
  try {
    if (program.insns.length === 0) rejectAt("other", "none", "a program has at least one instruction");
    if (program.insns.length > MAX_PROCESSED) rejectAt("other", "none", "the program is too large");
    if (program.unknown !== undefined)
      return { verdict: "unsupported", feature: program.unknown.what, insn: program.unknown.insn };
    if (program.refused !== undefined) rejectAt("other", "none", program.refused);
    env = prepare(program);
    explore(env, options);
    const stack = checkStackDepth(program.insns, env.structure, env.stackDepth, env.rules);
    return { verdict: "accept", processed: env.processed, stack, states: env.peakStates };
  } catch (thrown) {
    if (!isVerdict(thrown)) throw thrown;
    if (thrown.kind === "unsupported")
      return { verdict: "unsupported", feature: thrown.feature, ...(env === undefined ? {} : { insn: env.insn }) };
    const failing = thrown.insn ?? env?.insn ?? "none";
    const walking = failing !== "none" && env !== undefined && env.processed > 0;
    return {
      verdict: "reject",
      ...(failing === "none" ? {} : { failingInsn: failing }),
      category: thrown.category,
      message: thrown.message,
      ...(thrown.register === undefined ? {} : { register: thrown.register }),
      ...(walking ? { state: env!.state } : {}),
      path: walking ? pathOf(env!.path) : [],
      processed: env?.processed ?? 0,
    };
  }
}

/** The context's layout; struct_ops programs have their function's arguments instead. */
const contextOf = (program: Program): Env["context"] | undefined =>
  program.traced
    ? { bytes: 8 * program.traced.params.length, ranges: [] }
    : program.entry
      ? { bytes: 8 * program.entry.member.args.length, ranges: [] }
      : contextLayout(program.type, program.attach, program.features, program.release);

function structureOf({ insns, maps, typed, release, kfuncs, kernel }: Program): Structure {
  const asks = [...(kfuncs ?? [])].flatMap(([slot, name]) => (iterates(kernel, name) === "next" ? [slot] : []));
  return checkStructure(insns, maps, typed, rulesOf(release), new Set(asks));
}

function prepare(program: Program): Env {
  const context = contextOf(program);
  if (context === undefined) return unsupported(`programs of type ${program.type}`);
  if (!hasCome(programTypeSince(kindOf(program.type)!.number), program.release))
    rejectAt("other", "none", `programs of type ${program.type} are not known`);
  for (const { type } of program.maps.values())
    if (!hasCome(mapTypeSince(type), program.release)) rejectAt("other", "none", `maps of type ${type} are not known`);
  const sleepable = (program.flags & LOAD_FLAGS.sleepable) !== 0;
  if (program.type === "syscall" && !sleepable) rejectAt("other", "none", "Syscall programs can only be sleepable");
  if (sleepable && !maySleep(program.type, program.attach))
    rejectAt(
      "other",
      "none",
      "Only fentry/fexit/fmod_ret, lsm, iter, uprobe, and struct_ops programs can be sleepable",
    );
  if ((program.flags & LOAD_FLAGS.testRegInvariants) !== 0 && !rulesOf(program.release).invariantsFlag)
    rejectAt("other", "none", "unknown flags");
  const structure = structureOf(program);
  return newEnv(program, structure, context, undefined);
}

export function newEnv(program: Program, structure: Structure, context: Env["context"], replay: Env["replay"]): Env {
  const frame = newFrame(-1, 0, 0);
  frame.regs[1] = pointer("ctx");
  return {
    program,
    rules: rulesOf(program.release),
    structure,
    context,
    flow: createFlow(program.insns, structure),
    pending: [],
    explored: new Map(),
    allowedCalls: new Set(),
    results: [],
    decisions: [],
    lessons: [],
    assumptions: [],
    accessTypes: new Map(),
    stackDepth: [],
    state: { frames: [frame], references: [], turns: 0, inRcu: false, preempt: 0 },
    insn: 0,
    previous: 0,
    parent: undefined,
    path: undefined,
    lastId: 0,
    processed: 0,
    jumps: 0,
    processedAtState: 0,
    jumpsAtState: 0,
    peakStates: 0,
    replay,
  };
}

function explore(env: Env, { trace, assume, budget }: Options): void {
  const { prunePoints } = env.structure;
  let fresh = false;
  for (;;) {
    if (++env.processed > MAX_PROCESSED)
      reject("too-complex", `BPF program is too large. Processed ${env.processed} insn`);
    if (budget !== undefined && env.processed > budget) unsupported("programs this long to verify");
    const covered = prunePoints.has(env.insn) && seenBefore(env);
    if (!covered) {
      trace?.(env.insn, env.state, fresh);
      fresh = false;
      const assumption = assume?.(env.insn, env.state);
      if (assumption) assumeOf(env, assumption);
      env.previous = env.insn;
      if (!step(env)) continue;
    }
    endPath(env);
    const next = env.pending.pop();
    if (next === undefined) return;
    env.state = next.state;
    env.insn = next.insn;
    env.parent = next.parent;
    env.path = next.path;
    fresh = true;
  }
}

function pathOf(last: Outcome | undefined): Rejection["path"] {
  const path: { readonly insn: number; readonly taken: boolean }[] = [];
  for (let outcome = last; outcome !== undefined; outcome = outcome.before)
    path.push({ insn: outcome.insn, taken: outcome.taken });
  return path.reverse();
}

/** One step of a replayed path. */
export interface Step {
  readonly insn: number;
  /** Before the instruction. */
  readonly state: State;
}

/** Walks the path of a rejection once more: every instruction on it with the state before it, the failing one last. */
export function replayPath(program: Program, path: Rejection["path"]): readonly Step[] {
  const steps: Step[] = [];
  const left = [...path];
  try {
    const context = contextOf(program);
    if (context === undefined) return [];
    const structure = structureOf(program);
    const env = newEnv(program, structure, context, () => left.shift()?.taken ?? false);
    while (env.processed++ < MAX_PROCESSED) {
      steps.push({ insn: env.insn, state: copyState(env.state) });
      if (step(env)) break;
    }
  } catch (thrown) {
    if (!isVerdict(thrown)) throw thrown;
  }
  return steps;
}
