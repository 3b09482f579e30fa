/** From a list of choices to a compiled program. */
import { compile } from "../../compiler/compile.ts";
import type { BpfModule } from "../../compiler/module.ts";
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

/** The module, or what the compiler said against it. */
export function compileText(text: string, withoutPasses: readonly string[] = []): BpfModule | string {
  const result = compile({ path: "generated.ts", text }, { withoutPasses });
  if (result.object && result.module) return result.module;
  return result.diagnostics
    .filter(({ severity }) => severity === "error")
    .map(
      ({ key, message, span }) =>
        `${key}: ${message}${span ? ` at line ${text.slice(0, span.start).split("\n").length}` : ""}`,
    )
    .join("\n");
}
