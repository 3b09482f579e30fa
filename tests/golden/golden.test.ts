/** Golden files show change: what the compiler makes of each bundled program. `npm run bless` rewrites them. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { printModule } from "../../compiler/ir/print.ts";
import { listing } from "../../compiler/object/listing.ts";
import { builds, compileProgram } from "../programs.ts";

const folder = dirname(fileURLToPath(import.meta.url));
const bless = process.env["BLESS"] === "1";

function golden(name: string, target: "mainline" | "patched"): string {
  let lowered = "";
  const result = compileProgram(name, target, {
    afterPass: (pass, module) => {
      if (pass === "lower") lowered = printModule(module);
    },
  });
  expect(result.diagnostics.filter((d) => d.severity === "error")).toEqual([]);
  const module = result.module!;
  const slots = module.programs.map((p) => `${p.name}: ${p.insns.length} instructions, ${p.stack} bytes of stack`);
  return [
    `# ${name} for ${target}`,
    ...slots,
    `needs: ${module.needs.join(", ")}`,
    "\n# assembly\n",
    listing(module).trim(),
    "\n# optimized IR\n",
    printModule(result.ir!).trim(),
    "\n# IR\n",
    lowered.trim(),
    "",
  ].join("\n");
}

const fileOf = (b: { name: string; target: string }): string => `${b.name}.${b.target}.golden`;

test.each(builds)("$name for $target", ({ name, target }) => {
  const path = join(folder, fileOf({ name, target }));
  const text = golden(name, target);
  if (bless) writeFileSync(path, text);
  expect(existsSync(path), `${path} is missing: run npm run bless and review it`).toBe(true);
  expect(text).toBe(readFileSync(path, "utf8"));
});

test("no golden file without its program", () => {
  const wanted = new Set(builds.map(fileOf));
  const orphans = readdirSync(folder).filter((file) => file.endsWith(".golden") && !wanted.has(file));
  expect(orphans).toEqual([]);
});
