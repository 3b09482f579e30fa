/** One generated program, checked in every way that is asked for. */
import type { BpfModule } from "../../compiler/module.ts";
import { fromSeed, shrink } from "./choices.ts";
import { compileVariants, generate, type Compiled } from "./compiled.ts";
import { makeInputs, type Inputs } from "./inputs.ts";
import { generateProgram } from "./program.ts";
import { difference, expected, machineRunner, observed, type Observed, type Runner } from "./run.ts";
import type { Program } from "./ast.ts";

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
  /** Told of each program that has functions of its own when all that can stay do. */
  readonly functionsKept?: () => void;
}

export const PROGRAM = "program";

/** The first thing that is wrong with the program that these choices make, or undefined. */
export function problemWith(choices: readonly number[], seed: number, checks: Checks): string | undefined {
  const { program, text } = generate(choices, checks.size);
  const inputs = makeInputs(program, seed, checks.runs);
  try {
    const compiled = compileVariants(text);
    if (typeof compiled === "string") {
      if (!isRefusal(compiled)) return `compiling: ${compiled}`;
      count(checks.refused, compiled);
      return undefined;
    }
    return wrong(compiled, program, inputs, checks);
  } catch (error) {
    return `threw: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
  }
}

/** Compares all that was compiled of a program, in the virtual machine and the kernel. */
function wrong(compiled: Compiled, program: Program, inputs: Inputs, checks: Checks): string | undefined {
  const { module } = compiled;
  const inMachine = (code: BpfModule): readonly Observed[] =>
    observed(code, program, machineRunner(code, PROGRAM), inputs);
  const inKernel = (code: BpfModule): string | undefined => {
    const runner = checks.kernel!(code, PROGRAM);
    try {
      return difference("got", observed(code, program, runner, inputs), "expected", wanted());
    } finally {
      runner.close();
    }
  };
  let evaluated: readonly Observed[] | undefined;
  const wanted = (): readonly Observed[] => (evaluated ??= expected(program, inputs));
  const optimized = inMachine(module);
  const attempts: (readonly [what: string, work: () => string | undefined])[] = [
    ["semantics", () => (checks.semantics ? difference("got", optimized, "expected", wanted()) : undefined)],
    ["in the kernel", () => (checks.kernel ? inKernel(module) : undefined)],
    [
      "with its functions",
      () => {
        const kept = checks.semantics ? compiled.keepingFunctions() : undefined;
        if (!kept || kept.programs.every(({ functions }) => functions.length === 1)) return undefined;
        checks.functionsKept?.();
        const found = difference("in place", optimized, "as functions", inMachine(kept));
        return found ?? (checks.kernel ? inKernel(kept) : undefined);
      },
    ],
    ...checks.without.map(
      (without) =>
        [
          `without ${without.join(", ")}`,
          () => {
            const plain = compiled.without(without);
            if (typeof plain === "string") return isTooLong(plain) ? undefined : plain;
            const found = difference("optimized", optimized, "without", inMachine(plain));
            return found ?? (checks.kernel ? inKernel(plain) : undefined);
          },
        ] as const,
    ),
  ];
  for (const [what, work] of attempts) {
    const found = attempt(work);
    if (found !== undefined) return `${what}: ${found}`;
  }
  return undefined;
}
function attempt(work: () => string | undefined): string | undefined {
  try {
    return work();
  } catch (error) {
    return `threw: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
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

/** Without passes a program may not fit any more: the limit's affair, which checks nothing. */
export const isTooLong = (said: string): boolean =>
  said.split("\n").every((line) => line.startsWith("too-many-instructions:"));

/** The first line of a problem without its numbers: shrinking must not trade one fault for another. */
const kindOf = (problem: string): string => problem.split(/[:\n]/, 2).join(":").replaceAll(/\d+/g, "#");

/** Checks the program of a seed; on failure gives the smallest program found that fails in the same way. */
export function checkSeed(seed: number, checks: Checks, shrinking = 300): string | undefined {
  const choices = fromSeed(seed);
  generateProgram(choices, checks.size);
  const problem = problemWith(choices.taken, seed, checks);
  if (problem === undefined) return undefined;
  const kind = kindOf(problem);
  // What is tried on the way is not counted.
  const uncounted: Checks = { ...checks, refused: new Map(), functionsKept: () => undefined };
  const smallest = shrink(
    choices.taken,
    (candidate) => {
      const other = problemWith(candidate, seed, uncounted);
      return other !== undefined && kindOf(other) === kind;
    },
    shrinking,
  );
  const { text } = generate(smallest, checks.size);
  return `seed ${seed}: ${problemWith(smallest, seed, uncounted)}\n${text}`;
}
