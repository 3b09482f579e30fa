/** What the verifier knows before each instruction, and the path on which it refuses a program. */
import { kernelNamed } from "../../../compiler/bpf/kernels.ts";
import type { Version } from "../../../compiler/bpf/verifier-rules.ts";
import type { CompileResult } from "../../../compiler/compile.ts";
import type { BpfModule, BpfProgram } from "../../../compiler/module.ts";
import { instructionTexts } from "../../../compiler/object/listing.ts";
import { explain } from "../../../compiler/verifier/explain.ts";
import { judgesOf } from "../../../compiler/verifier/module.ts";
import { verifierProgram } from "../../../compiler/verifier/program.ts";
import { showState } from "../../../compiler/verifier/state.ts";
import { replayPath, verify, type Rejection, type Result, type Step } from "../../../compiler/verifier/verify.ts";
import type { KnownState, PathStep, VerifiedProgram } from "../protocol.ts";
import { lineFinder, row, type LineOf } from "./rows.ts";

/** States that are kept of one instruction: a loop has thousands. */
const MOST_STATES = 4;
/** Steps of a failing path, the last ones. */
const MOST_STEPS = 400;

/** "R1=ctx R2=5 fp-8=mmmm" as names and contents. */
export const splitState = (text: string): KnownState =>
  text
    .split(/ (?=(?:R\d+|fp-\d+)=)/)
    .filter(Boolean)
    .map((part) => {
      const at = part.indexOf("=");
      return at < 0 ? ([part, ""] as const) : ([part.slice(0, at), part.slice(at + 1)] as const);
    });

interface Walk {
  readonly kernel: Version;
  readonly result: Result;
  readonly visits: Uint32Array;
  readonly states: ReadonlyMap<number, readonly string[]>;
}

function walk(module: BpfModule, program: BpfProgram, kernel: Version): Walk {
  const visits = new Uint32Array(program.insns.length);
  const states = new Map<number, string[]>();
  const result = verify(verifierProgram(module, program, module.target, kernel), {
    trace: (slot, state) => {
      visits[slot]!++;
      const known = states.get(slot) ?? [];
      if (known.length >= MOST_STATES) return;
      const text = showState(state);
      if (!known.includes(text)) known.push(text);
      states.set(slot, known);
    },
  });
  return { kernel, result, visits, states };
}

/** As the first of its kernels that refuses it sees a program; else as the oldest does. */
function chosenWalk(module: BpfModule, program: BpfProgram, oldest: Version | undefined): Walk {
  const target = kernelNamed(module.target);
  const kernel = { ...target, oldest: oldest ?? target.oldest };
  const walks = judgesOf(kernel).map((release) => walk(module, program, release));
  return walks.find(({ result }) => result.verdict !== "accept") ?? walks[0]!;
}

export function verifiedPrograms({ module, oldest }: CompileResult): readonly VerifiedProgram[] {
  if (!module) return [];
  const lineOf = lineFinder(module.sources);
  return module.programs.map((program) => {
    const { kernel, result, visits, states } = chosenWalk(module, program, oldest);
    const texts = instructionTexts(module, program);
    const lines = new Map(program.lines.map(({ slot, span }) => [slot, lineOf(span)]));
    const instructions = [...texts].map(([slot, text]) => ({
      ...row(text, lines.get(slot)),
      slot,
      visits: visits[slot]!,
      states: (states.get(slot) ?? []).map(splitState),
    }));
    const base = { name: program.name, kernel, verdict: result.verdict, instructions };
    const processed = "processed" in result ? result.processed : visits.reduce((sum, one) => sum + one, 0);
    if (result.verdict === "unsupported")
      return { ...base, processed, message: `cannot tell: ${result.feature}`, path: [], skipped: 0 };
    if (result.verdict === "accept") return { ...base, processed, path: [], skipped: 0 };
    const input = verifierProgram(module, program, module.target, kernel);
    const steps = replayPath(input, result.path);
    const { problem, remedy } = explain(input, result);
    return {
      ...base,
      processed,
      message: result.message,
      problem,
      ...(remedy === undefined ? {} : { remedy }),
      path: pathSteps(steps, result, texts, (slot) => lines.get(slot)),
      skipped: Math.max(0, steps.length - MOST_STEPS),
    };
  });
}

function pathSteps(
  steps: readonly Step[],
  { path }: Rejection,
  texts: ReadonlyMap<number, string>,
  lineOf: (slot: number) => ReturnType<LineOf>,
): readonly PathStep[] {
  // The decisions are those of the steps at undecided jumps, in order.
  let next = 0;
  const all = steps.map(({ insn, state }): PathStep => {
    const decision = path[next]?.insn === insn ? path[next++] : undefined;
    return {
      ...row(texts.get(insn) ?? "", lineOf(insn)),
      slot: insn,
      state: splitState(showState(state)),
      ...(decision ? { taken: decision.taken } : {}),
    };
  });
  return all.slice(-MOST_STEPS);
}
