/** From a list of choices to a compiled program. */
import { kernels } from "../../compiler/bpf/kernels.ts";
import { compile, emitProven } from "../../compiler/compile.ts";
import type { Diagnostic } from "../../compiler/diagnostics.ts";
import type { IrModule } from "../../compiler/ir/ir.ts";
import { optimizeWithFunctions } from "../../compiler/keep-functions.ts";
import type { BpfModule } from "../../compiler/module.ts";
import { optimize } from "../../compiler/passes/pipeline.ts";
import type { Program } from "./ast.ts";
import { fromList } from "./choices.ts";
import { printProgram } from "./print.ts";
import { generateProgram } from "./program.ts";

export interface Generated {
  readonly program: Program;
  readonly text: string;
}

export function generate(choices: readonly number[], size?: number): Generated {
  const program = generateProgram(fromList(choices), size);
  return { program, text: printProgram(program) };
}

const errors = (diagnostics: readonly Diagnostic[], text: string): string =>
  diagnostics
    .filter(({ severity }) => severity === "error")
    .map(
      ({ key, message, span }) =>
        `${key}: ${message}${span ? ` at line ${text.slice(0, span.start).split("\n").length}` : ""}`,
    )
    .join("\n");

export interface Compiled {
  readonly module: BpfModule;
  /** The same source without some passes, from the lowered IR on: what is before costs as much as the rest and is the same. */
  readonly without: (passes: readonly string[]) => BpfModule | string;
  /** The same with every function that can a function. The verifier may lose sight of an index on the way into one: then undefined. */
  readonly keepingFunctions: () => BpfModule | undefined;
}

/** A mainline program compiled, or what the compiler said against it: `key: message at line N`, one a line. */
export function compileVariants(text: string): Compiled | string {
  let lowered: IrModule | undefined;
  const afterPass = (pass: string, module: IrModule): void => {
    if (pass === "lower") lowered = module;
  };
  const result = compile({ path: "generated.ts", text }, { afterPass });
  if (!result.object || !result.module || !lowered) return errors(result.diagnostics, text);
  const source = lowered;
  return {
    module: result.module,
    without(passes) {
      const kernel = kernels.mainline;
      const { maxInsns } = kernel;
      const { module, diagnostics } = optimize(source, kernel, { maxInsns, without: passes });
      const emitted = emitProven(module, kernel, maxInsns, true);
      const said = errors([...diagnostics, ...emitted.diagnostics], text);
      return said === "" && emitted.module ? emitted.module : said;
    },
    keepingFunctions() {
      const kernel = kernels.mainline;
      const { maxInsns } = kernel;
      const { module } = optimizeWithFunctions(source, kernel, "keep", { maxInsns });
      const emitted = emitProven(module, kernel, maxInsns, true);
      return emitted.diagnostics.some(({ severity }) => severity === "error") ? undefined : emitted.module;
    },
  };
}

/** The module, or what the compiler said against it. */
export function compileText(text: string, withoutPasses: readonly string[] = []): BpfModule | string {
  const compiled = compileVariants(text);
  if (typeof compiled === "string") return compiled;
  return withoutPasses.length === 0 ? compiled.module : compiled.without(withoutPasses);
}
