/** One generated program, checked in every way that is asked for. */
import { fromSeed, shrink } from "./choices.ts";
import { compileText, generate } from "./compiled.ts";
import { makeInputs } from "./inputs.ts";
import { generateProgram } from "./program.ts";
import { compareRunners, compareWithEvaluator, machineRunner, type Runner } from "./run.ts";
import type { BpfModule } from "../../compiler/module.ts";

export interface Checks {
  /** Runs per program. */
  readonly runs: number;
  /** Compares with the evaluator. */
  readonly semantics: boolean;
  /** Sets of passes to switch off: each result is compared with the one of all passes. */
  readonly without: readonly (readonly string[])[];
  /** Runs compiled code in the kernel too. */
  readonly kernel?: (module: BpfModule, program: string) => Runner;
  readonly size?: number;
  /** Counts programs that the compiler refuses, by the keys of its errors. */
  readonly refused?: Map<string, number>;
}

export const PROGRAM = "program";

/** The first thing that is wrong with the program that these choices make, or undefined. */
export function problemWith(choices: readonly number[], seed: number, checks: Checks): string | undefined {
  const { program, text } = generate(choices, checks.size);
  const inputs = makeInputs(program, seed, checks.runs);
  const attempt = (what: string, work: () => string | undefined): string | undefined => {
    try {
      const problem = work();
      return problem === undefined ? undefined : `${what}: ${problem}`;
    } catch (error) {
      return `${what} threw: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
    }
  };
  let module: BpfModule | string = "not compiled";
  const compiled = attempt("compiling", () => {
    module = compileText(text);
    return typeof module === "string" && !isRefusal(module) ? module : undefined;
  });
  if (compiled === undefined && typeof module === "string") count(checks.refused, module);
  if (compiled !== undefined || typeof module === "string") return compiled;
  const optimized = module as unknown as BpfModule;
  if (checks.semantics) {
    const wrong = attempt("semantics", () =>
      compareWithEvaluator(optimized, program, machineRunner(optimized, PROGRAM), inputs),
    );
    if (wrong !== undefined) return wrong;
  }
  if (checks.kernel) {
    const wrong = attempt("in the kernel", () => inKernel(optimized));
    if (wrong !== undefined) return wrong;
  }
  for (const without of checks.without) {
    const wrong = attempt(`without ${without.join(", ")}`, () => {
      const plain = compileText(text, without);
      if (typeof plain === "string") return plain;
      const found = compareRunners(
        program,
        { module: plain, runner: machineRunner(plain, PROGRAM) },
        { module: optimized, runner: machineRunner(optimized, PROGRAM) },
        inputs,
      );
      return found ?? (checks.kernel ? inKernel(plain) : undefined);
    });
    if (wrong !== undefined) return wrong;
  }
  return undefined;

  function inKernel(code: BpfModule): string | undefined {
    const runner = checks.kernel!(code, PROGRAM);
    try {
      return compareWithEvaluator(code, program, runner, inputs);
    } finally {
      runner.close();
    }
  }
}

/**
 * What the compiler may say of a well-typed program: an operand that it computes to a constant, or to a range, is one that
 * makes no sense, and a store over a struct that a name in use stands for. Such programs check nothing; they are counted.
 */
const REFUSALS = /^(index-range|shift-count|division-by-zero|reference-replaced|replaced-in-use):/;
function count(refused: Map<string, number> | undefined, said: string): void {
  for (const key of new Set(said.split("\n").map((line) => line.split(":", 1)[0]!)))
    refused?.set(key, (refused.get(key) ?? 0) + 1);
}
export const isRefusal = (said: string): boolean => said.split("\n").every((line) => REFUSALS.test(line));

/** The first line of a problem without its numbers: shrinking must not trade one fault for another. */
const kindOf = (problem: string): string => problem.split(/[:\n]/, 2).join(":").replaceAll(/\d+/g, "#");

/** Checks the program of a seed; on failure gives the smallest program found that fails in the same way. */
export function checkSeed(seed: number, checks: Checks, shrinking = 300): string | undefined {
  const choices = fromSeed(seed);
  generateProgram(choices, checks.size);
  const problem = problemWith(choices.taken, seed, checks);
  if (problem === undefined) return undefined;
  const kind = kindOf(problem);
  const smallest = shrink(
    choices.taken,
    (candidate) => {
      const other = problemWith(candidate, seed, { ...checks, refused: new Map() });
      return other !== undefined && kindOf(other) === kind;
    },
    shrinking,
  );
  const { text } = generate(smallest, checks.size);
  return `seed ${seed}: ${problemWith(smallest, seed, { ...checks, refused: new Map() })}\n${text}`;
}
