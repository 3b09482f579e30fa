/** A pass that has left a function as it was is not run on it again: what comes out is what running all of them gives. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { kernelNamed, type Kernel } from "../../compiler/bpf/kernels.ts";
import { compile } from "../../compiler/compile.ts";
import type { Func, IrModule } from "../../compiler/ir/ir.ts";
import { printModule } from "../../compiler/ir/print.ts";
import { inline } from "../../compiler/passes/inline.ts";
import { settleFunctions } from "../../compiler/passes/kept-functions.ts";
import { STEPS } from "../../compiler/passes/order.ts";
import type { Pass } from "../../compiler/passes/pass.ts";
import { optimize } from "../../compiler/passes/pipeline.ts";
import { fromSeed } from "../generate/choices.ts";
import { printProgram } from "../generate/print.ts";
import { generateProgram, sizeOfSeed } from "../generate/program.ts";

/** Lowered modules of bundled and of random programs. */
function lowered(text: string): IrModule {
  const made: IrModule[] = [];
  const afterPass = (pass: string, module: IrModule): void => void (pass === "lower" && made.push(module));
  compile({ path: "program.ts", text }, { afterPass });
  const [module] = made;
  if (!module) throw new Error("the program does not compile");
  return module;
}
const bundled = ["user-timeout", "cubic", "service-address"].map((name) =>
  readFileSync(join(import.meta.dirname, "../../programs", `${name}.ts`), "utf8"),
);
const random = Array.from({ length: 4 }, (_, at) =>
  printProgram(generateProgram(fromSeed(900 + at), sizeOfSeed(900 + at))),
);

/** Every pass in order, whatever it did before; `counted` is told of each run. */
function runAll(module: IrModule, kernel: Kernel, counted: (pass: Pass) => void): IrModule {
  let current = module;
  for (const { pass } of STEPS) {
    const apply = (func: Func): Func => {
      counted(pass);
      const context = { module: current, kernel, kept: new Set<string>(), maxInsns: kernel.maxInsns, report: () => {} };
      return pass.run(func, context);
    };
    const programs = current.programs.map((program) => ({ ...program, func: apply(program.func) }));
    current = { ...current, functions: [], programs };
    if (pass === inline) current = settleFunctions(current).module;
  }
  return current;
}

test("skipping what would change nothing gives the same, and is most of what is left to do late", () => {
  let all = 0;
  let again = 0;
  for (const text of [...bundled, ...random]) {
    const module = lowered(text);
    const kernel = kernelNamed(module.target);
    const last = new Map<string, Func>();
    const { module: made } = optimize(module, kernel, {
      maxInsns: kernel.maxInsns,
      // The same function after two passes: the second changed nothing, whether it was run or not.
      after: (_, { programs }) => {
        for (const { func } of programs) {
          if (last.get(func.name) === func) again++;
          last.set(func.name, func);
        }
      },
    });
    expect(printModule(made)).toBe(printModule(runAll(module, kernel, () => void all++)));
  }
  expect(again / all).toBeGreaterThan(0.3);
});
