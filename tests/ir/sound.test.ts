/** Every pass leaves IR that the checker takes, in the programs of this repository and in random ones. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { TARGETS, type TargetName } from "../../compiler/bpf/kernels.ts";
import { compile } from "../../compiler/compile.ts";
import { checkModule } from "../../compiler/ir/check.ts";
import { fromSeed } from "../generate/choices.ts";
import { generate } from "../generate/compiled.ts";
import { generateProgram } from "../generate/program.ts";

const programs = join(import.meta.dirname, "../../programs");

/** The first thing that the checker finds wrong, with the pass that did it. */
function problemOf(path: string, text: string, target?: TargetName): string | undefined {
  let found: string | undefined;
  compile(
    { path, text },
    {
      verify: false,
      ...(target ? { target } : {}),
      afterPass: (pass, module) => {
        const [problem] = found === undefined ? checkModule(module) : [];
        if (problem) found = `after ${pass}: ${problem}`;
      },
    },
  );
  return found;
}

test.each(readdirSync(programs).filter((name) => name.endsWith(".ts")))("%s", (name) => {
  const text = readFileSync(join(programs, name), "utf8");
  for (const target of TARGETS) expect(problemOf(name, text, target)).toBeUndefined();
});

test("random programs", () => {
  for (let seed = 701; seed <= 720; seed++) {
    const choices = fromSeed(seed);
    generateProgram(choices);
    const { text } = generate(choices.taken);
    expect(problemOf("generated.ts", text), `seed ${seed}\n${text}`).toBeUndefined();
  }
});
