/** The verifier on whole modules: every program, with results as diagnostics that point into the source. */
import { disassemble } from "../bpf/disassemble.ts";
import type { KernelTypes } from "../bpf/kernel-types.ts";
import type { Kernel } from "../bpf/kernels.ts";
import type { Version } from "../bpf/verifier-rules.ts";
import type { WholeKernel } from "../bpf/whole-kernel.ts";
import { report, type Diagnostic, type Note } from "../diagnostics.ts";
import type { BpfModule, BpfProgram, LineEntry } from "../module.ts";
import type { Span } from "../span.ts";
import { boundedLog } from "./bounded-log.ts";
import { explain } from "./explain.ts";
import { originsOf } from "./history.ts";
import { verifierProgram } from "./program.ts";
import { showState } from "./state.ts";
import { replayPath, verify, type Options, type Program, type Rejection, type Result } from "./verify.ts";

type Judged = Pick<Kernel, "name" | "oldest" | "newest"> & Partial<Pick<Kernel, "types">>;

/** The verifier's word on one program of a module. */
export interface ProgramVerdict {
  readonly program: string;
  readonly result: Result;
  /** One error for a rejection, one warning where the verifier cannot tell; else none. */
  readonly diagnostics: readonly Diagnostic[];
  /** With `verbose`: every instruction processed, with the registers and stack before it, as in the kernel's log.
   * Of a very long one the beginning and the end. */
  readonly log?: readonly string[];
}
export interface ModuleOptions {
  readonly verbose?: boolean;
  /** The kernel's structs; absent: those of the repository. */
  readonly types?: KernelTypes;
  /** The kernel's types as a whole, for which an object of another compiler has been made whole (compiler/object/complete.ts). */
  readonly kernel?: WholeKernel;
}

/** The versions whose verifiers must take what is made for a kernel: what the oldest follows the newest does too, but for rules that were made stricter. */
export const judgesOf = ({ oldest, newest }: Judged): readonly Version[] => [...new Set([oldest, newest])];

/** Verifies all programs of a module for a kernel: the diagnostics of those that it would refuse. Pure and total. */
export const verifyModule = (module: BpfModule, kernel: Judged): readonly Diagnostic[] =>
  module.programs.flatMap((program) => judged(module, program, kernel)?.diagnostics ?? []);

/** The first verifier of a kernel's that has something to say of a program, and what it says; undefined: all of them take it. */
export function judged(
  module: BpfModule,
  program: BpfProgram,
  kernel: Judged,
): { readonly release: Version; readonly diagnostics: readonly Diagnostic[] } | undefined {
  for (const release of judgesOf(kernel)) {
    const { diagnostics } = verifyProgram(module, program, kernel.name, release, kernel);
    if (diagnostics.length > 0) return { release, diagnostics };
  }
  return undefined;
}

/** Whether the verifier's own limit was met, which no check in front of an instruction would change. */
export const isTooComplex = (diagnostics: readonly Diagnostic[]): boolean =>
  diagnostics.some(({ key }) => key === "too-complex");

/** Verifies one program of a module. `target` names the kernel, `release` whose verifier is asked. */
export function verifyProgram(
  module: BpfModule,
  program: BpfProgram,
  target: string,
  release: Version,
  { verbose = false, types, kernel }: ModuleOptions = {},
): ProgramVerdict {
  const input = verifierProgram(module, program, target, release, types, kernel);
  const log = boundedLog();
  const options: Options = verbose
    ? {
        trace: (insn, state) =>
          log.add(`${insn}: ${disassemble(input.insns, insn).text.padEnd(40)} ; ${showState(state)}`),
      }
    : {};
  const result = verify(input, options);
  return {
    program: program.name,
    result,
    diagnostics: diagnosticsOf(program, input, result, module.target !== "unknown"),
    ...(verbose ? { log: log.lines() } : {}),
  };
}

/** What there is to say of a result. `ours`: the program is of this language, so that its words can be said. */
export function diagnosticsOf(
  program: BpfProgram,
  input: Program,
  result: Result,
  ours: boolean,
): readonly Diagnostic[] {
  switch (result.verdict) {
    case "accept":
      return [];
    case "unsupported": {
      const span = result.insn === undefined ? program.span : spanAt(program, result.insn);
      return [report("verifier-cannot-tell", span, { program: program.name, feature: result.feature })];
    }
    case "reject": {
      const { problem, remedy } = explain(input, result);
      const at = result.failingInsn;
      const place = at === undefined ? "" : ` (instruction ${at}: ${disassemble(input.insns, at).text})`;
      const kernel = `${result.message}${place}`;
      const facts = { program: program.name, problem, kernel, ...(remedy === undefined ? {} : { remedy }) };
      const span = at === undefined ? program.span : spanAt(program, at);
      // What the language cannot say before its loops are unrolled.
      if (ours && result.category === "struct-offset") return [report("state-index", span, undefined)];
      if (ours && result.category === "too-complex") return [tooComplex(program, result)];
      return [report("verifier-rejects", span, facts, notesOf(program, input, result))];
    }
  }
}

/** Where the verifier happens to give up says nothing: the decision that its path met most often does. */
function tooComplex(program: BpfProgram, { path, message }: Rejection): Diagnostic {
  const places = new Map<string, { readonly span: Span | undefined; times: number }>();
  for (const { insn } of path) {
    const span = spanAt(program, insn);
    const place = span === undefined ? "" : `${span.file} ${span.start} ${span.end}`;
    const known = places.get(place);
    if (known) known.times++;
    else places.set(place, { span, times: 1 });
  }
  const [most] = [...places.values()].sort((a, b) => b.times - a.times);
  const facts = { program: program.name, times: most?.times ?? 0 };
  return report("too-complex", most?.span ?? program.span, facts, [{ text: `the kernel says: ${message}` }]);
}

/** The source of an instruction: that of the last entry at or before it. */
function spanAt(program: BpfProgram, insn: number): Span | undefined {
  let found: LineEntry | undefined;
  for (const line of program.lines) {
    if (line.slot > insn) break;
    found = line;
  }
  return found?.span ?? program.span;
}

const MOST_TURNS = 8;

/** The kernel's words, then how the value came to be, then the way that leads there. */
function notesOf(program: BpfProgram, input: Program, rejection: Rejection): Note[] {
  const at = (insn: number): Pick<Note, "span"> => {
    const span = spanAt(program, insn);
    return span === undefined ? {} : { span };
  };
  const notes: Note[] = [{ text: `the kernel says: ${rejection.message}` }];
  if (rejection.register !== undefined && rejection.state !== undefined) {
    const steps = replayPath(input, rejection.path);
    for (const origin of originsOf(input.insns, steps, rejection.register))
      notes.push({ ...at(origin.insn), text: origin.text });
  }
  const turns = rejection.path.slice(-MOST_TURNS);
  if (turns.length < rejection.path.length)
    notes.push({ text: `the path that leads there begins with ${rejection.path.length - turns.length} more turns` });
  for (const { insn, taken } of turns) {
    const text = disassemble(input.insns, insn).text;
    notes.push({ ...at(insn), text: `the path goes ${taken ? "where" : "on where not"}: ${text}` });
  }
  return notes;
}
