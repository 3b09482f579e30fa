/**
 * One folder per pass, one file per case: a comment that says what the pass does or must not do, the module before, a line
 * `---`, and the module after (or the keys of the diagnostics, one per line as `error KEY`). `BLESS=1` rewrites what follows the line.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { kernelNamed, type Kernel } from "../../compiler/bpf/kernels.ts";
import type { Diagnostic } from "../../compiler/diagnostics.ts";
import { checkModule } from "../../compiler/ir/check.ts";
import { printModule } from "../../compiler/ir/print.ts";
import { readModule } from "../../compiler/ir/read.ts";
import { PASSES } from "../../compiler/passes/order.ts";

const here = import.meta.dirname;
const folders = readdirSync(here, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map((entry) => entry.name);

function runPass(name: string, text: string): string {
  const pass = PASSES.find((p) => p.name === name);
  if (!pass) throw new Error(`no pass is called ${name}`);
  const module = readModule(text);
  expect(checkModule(module), "the case itself is well formed").toEqual([]);
  const kernel: Kernel = kernelNamed(module.target);
  const diagnostics: Diagnostic[] = [];
  const context = {
    module,
    kernel,
    kept: new Set<string>(),
    maxInsns: kernel.maxInsns,
    report: (d: Diagnostic) => void diagnostics.push(d),
  };
  const programs = module.programs.map((program) => ({
    ...program,
    func: pass.run(program.func, context),
  }));
  const result = { ...module, programs, functions: name === "inline" ? [] : module.functions };
  expect(checkModule(result), "the result is well formed").toEqual([]);
  if (diagnostics.length > 0) return diagnostics.map((d) => `error ${d.key}: ${d.message}\n`).join("");
  return printModule(result);
}

for (const folder of folders) {
  describe(folder, () => {
    for (const file of readdirSync(join(here, folder)).filter((name) => name.endsWith(".ir"))) {
      const path = join(here, folder, file);
      const [before = "", after = ""] = readFileSync(path, "utf8").split(/^---\n/m);
      test(before.split("\n")[0]!.replace(/^# */, ""), () => {
        const result = runPass(folder, before);
        if (process.env["BLESS"]) writeFileSync(path, `${before}---\n${result}`);
        else expect(result).toBe(after);
      });
    }
  });
}

test("every pass has cases", () => {
  const missing = [...new Set(PASSES.map((pass) => pass.name))].filter((name) => !folders.includes(name));
  expect(missing).toEqual([]);
});
