/**
 * Does the kernel take what the compiler gives? Random programs, each compiled with all passes and with random sets of them, every
 * result loaded in the running kernel. Nothing is run: `npm run test:validation` looks at what programs do.
 *
 *   npm run test:differential -- objects [--count N] [--seed N] [--sets N]
 *
 * `count` compilations in all, `sets` of them for each program: the source is checked and lowered once for them all.
 */
import type { BpfModule } from "../../compiler/module.ts";
import { optionalPasses } from "../../compiler/passes/pipeline.ts";
import { loadModule } from "../../runtime/kernel/load.ts";
import { fromSeed, randomNumbers } from "../generate/choices.ts";
import { isRefusal, isTooLong } from "../generate/check.ts";
import { compileVariants, type Compiled } from "../generate/compiled.ts";
import { asClassifier, canLoad } from "../generate/kernel-runner.ts";
import { printProgram } from "../generate/print.ts";
import { generateProgram, sizeOfSeed } from "../generate/program.ts";

const option = (args: readonly string[], name: string, otherwise: number): number => {
  const at = args.indexOf(`--${name}`);
  return at < 0 ? otherwise : Number(args[at + 1]);
};

/** What the kernel says against a module; undefined: it takes it. */
function refusal(module: BpfModule): string | undefined {
  try {
    loadModule(asClassifier(module)).close();
    return undefined;
  } catch (error) {
    return `the kernel: ${error instanceof Error ? error.message.slice(0, 600) : String(error)}`;
  }
}

/** What is wrong with one more compilation, without these passes. */
function again(compiled: Compiled, without: readonly string[]): string | undefined {
  const made = compiled.without(without);
  if (typeof made !== "string") return refusal(made);
  return isTooLong(made) ? undefined : made;
}

/** Exit code 0 if nothing was refused, 3 where there is no kernel to ask. */
export function objectsMain(args: readonly string[]): number {
  const denied = canLoad();
  if (denied !== undefined) {
    console.log(`skipped: ${denied}`);
    return 3;
  }
  const count = option(args, "count", 10_000);
  const sets = Math.max(1, option(args, "sets", 4));
  let seed = option(args, "seed", 1);
  let done = 0;
  let programs = 0;
  let refused = 0;
  let notes = 0;
  const started = Date.now();
  const fail = (what: string): void => {
    refused++;
    console.log(`\nseed ${seed}: ${what}`);
  };
  for (; done < count; seed++) {
    const text = printProgram(generateProgram(fromSeed(seed), sizeOfSeed(seed)));
    const compiled = compileVariants(text);
    programs++;
    done++;
    if (typeof compiled === "string") {
      if (isRefusal(compiled)) notes++;
      else fail(compiled);
      continue;
    }
    const wrong = refusal(compiled.module);
    if (wrong !== undefined) fail(wrong);
    const next = randomNumbers(seed ^ 0x0b1ec7);
    for (let set = 1; set < sets && done < count; set++, done++) {
      const without = optionalPasses().filter(() => next() % 3 === 0);
      const problem = again(compiled, without);
      if (problem !== undefined) fail(`without ${without.join(", ")}: ${problem}`);
    }
    if (programs % 250 === 0) report();
  }
  report();
  return refused === 0 ? 0 : 1;

  function report(): void {
    const seconds = Math.round((Date.now() - started) / 1000);
    console.log(
      `${done} compilations of ${programs} programs, ${refused} refused, ${notes} programs in error, ${seconds} s`,
    );
  }
}
