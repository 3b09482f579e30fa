/** What programs, handlers and loops cost, beside their limits: shown above them. */
import type { FoundHandler } from "../../compiler/findings.ts";
import { kernelNamed } from "../../compiler/bpf/kernels.ts";
import type { BpfModule, BpfProgram } from "../../compiler/module.ts";
import type { Span } from "../../compiler/span.ts";
import { MAX_PROCESSED } from "../../compiler/verifier/verify.ts";
import type { Whole } from "./requests.ts";
import type { Work } from "./work.ts";

export interface Cost {
  readonly at: Span;
  readonly text: string;
}

const number = (value: number): string => value.toLocaleString("en");

/** All costs of a compilation, wherever they are to be shown. */
export function costs({ module, work, findings }: Whole): Cost[] {
  if (!module) return [];
  const handlers = findings.filter((one): one is FoundHandler => one.kind === "handler");
  return module.programs.flatMap((program) => {
    const done = work.get(program.name);
    return [
      ...(program.span ? [{ at: program.span, text: programText(module, program, done) }] : []),
      ...handlerCosts(program, done, handlers),
      ...loopCosts(program, done),
    ];
  });
}

function programText(module: BpfModule, { insns, stack }: BpfProgram, work: Work | undefined): string {
  const { maxInsns, maxStack } = kernelNamed(module.target);
  const verifier = work ? ` · ${steps(work.processed)} of ${number(MAX_PROCESSED)} for the verifier` : "";
  return `${number(insns.length)} of ${number(maxInsns)} instructions · ${stack} of ${maxStack} bytes of stack${verifier}`;
}
const steps = (count: number): string => `${number(count)} ${count === 1 ? "step" : "steps"}`;

interface Sum {
  readonly at: Span;
  readonly turns: Set<string | number>;
  insns: number;
  visits: number;
}

/** A program of one handler is its handler: that is said above already. */
function handlerCosts(program: BpfProgram, work: Work | undefined, handlers: readonly FoundHandler[]): Cost[] {
  const own = new Map<string, { handler: FoundHandler; insns: number; visits: number }>();
  for (const { slot, span } of program.lines) {
    for (const handler of handlers) {
      if (!program.name.startsWith(handler.of) || !within(span, handler.body)) continue;
      const key = `${handler.body.file} ${handler.body.start}`;
      const sum = own.get(key) ?? { handler, insns: 0, visits: 0 };
      sum.insns++;
      sum.visits += work?.visits[slot] ?? 0;
      own.set(key, sum);
      break;
    }
  }
  return [...own.values()]
    .filter(({ handler }) => handler.at.start !== program.span?.start)
    .map(({ handler, insns, visits }) => ({
      at: handler.at,
      text: `${number(insns)} ${insns === 1 ? "instruction" : "instructions"} · ${steps(visits)} for the verifier`,
    }));
}
/** Whether code lies in a piece of text, or was called from there. */
function within(span: Span, outer: Span): boolean {
  for (let at: Span | undefined = span; at; at = at.via?.at)
    if (at.file === outer.file && at.start >= outer.start && at.end <= outer.end) return true;
  return false;
}

/** Loops that were unrolled: how often, and what came of it. */
function loopCosts(program: BpfProgram, work: Work | undefined): Cost[] {
  const loops = new Map<string, Sum>();
  for (const { slot, span } of program.lines) {
    const counted = new Set<string>();
    for (let via = span.via; via; via = via.at.via) {
      const { file, start } = via.at;
      const key = `${file} ${start}`;
      if (via.kind !== "loop" || counted.has(key)) continue;
      counted.add(key);
      const sum = loops.get(key) ?? { at: via.at, turns: new Set(), insns: 0, visits: 0 };
      sum.turns.add(via.what);
      sum.insns++;
      sum.visits += work?.visits[slot] ?? 0;
      loops.set(key, sum);
    }
  }
  return [...loops.values()].map(({ at, turns, insns, visits }) => ({
    at,
    text: `${turns.size} ${turns.size === 1 ? "turn" : "turns"} × ${number(Math.round(insns / turns.size))} = ${number(insns)} instructions · ${steps(visits)} for the verifier`,
  }));
}
