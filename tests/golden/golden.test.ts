/**
 * Golden files show change: what the compiler makes of each bundled program. `npm run bless` rewrites them. What a small program
 * becomes is read line by line; of a large one nobody reads that, so its file has counts by handler and a hash of the whole text.
 */
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { expect, test } from "vitest";
import type { TargetName } from "../../compiler/bpf/kernels.ts";
import { CLASS } from "../../compiler/bpf/opcodes.ts";
import { printModule } from "../../compiler/ir/print.ts";
import type { BpfProgram } from "../../compiler/module.ts";
import { listing } from "../../compiler/object/listing.ts";
import type { SourceFile, Span } from "../../compiler/span.ts";
import { builds, compileProgram } from "../programs.ts";

const folder = dirname(fileURLToPath(import.meta.url));
const bless = process.env["BLESS"] === "1";

function golden(name: string, target: TargetName): string {
  let lowered = "";
  const result = compileProgram(name, target, {
    afterPass: (pass, module) => {
      if (pass === "lower") lowered = printModule(module);
    },
  });
  expect(result.diagnostics.filter((d) => d.severity === "error")).toEqual([]);
  const module = result.module!;
  const { sources } = result;
  const slots = module.programs.map((p) => `${p.name}: ${p.insns.length} instructions, ${p.stack} bytes of stack`);
  const head = [`# ${name} for ${target}`, ...slots, `needs: ${module.needs.join(", ")}`];
  const parts = {
    assembly: listing(module).trim(),
    "optimized IR": printModule(result.ir!).trim(),
    IR: lowered.trim(),
  };
  const texts = Object.entries(parts).flatMap(([title, text]) => [`\n# ${title}\n`, text]);
  if (module.programs.every(({ insns }) => insns.length <= LARGE)) return [...head, ...texts, ""].join("\n");
  const hash = createHash("sha256").update(texts.join("\n")).digest("hex");
  const sizes = Object.entries(parts).map(([title, text]) => `${title}: ${text.split("\n").length} lines`);
  return [
    ...head,
    "\n# instructions by handler and by what they do\n",
    ...module.programs.flatMap((program) => countsOf(program, sources)),
    "\n# texts\n",
    ...sizes,
    `sha256 of the texts: ${hash}`,
    "",
  ].join("\n");
}

/** More instructions than one reads. */
const LARGE = 500;

/** Slots by the method or function of the source that they come from, and by the class of the instruction. */
function countsOf(program: BpfProgram, sources: readonly SourceFile[]): string[] {
  const handlers = new Map<string, number>();
  const classes = new Map<string, number>();
  const add = (counts: Map<string, number>, key: string): void => void counts.set(key, (counts.get(key) ?? 0) + 1);
  const starts = program.lines.map(({ slot }) => slot);
  program.insns.forEach((insn, slot) => {
    const line = program.lines[starts.findLastIndex((start) => start <= slot)];
    add(handlers, line ? handlerOf(outermost(line.span), sources) : "none");
    add(classes, Object.entries(CLASS).find(([, code]) => code === (insn.code & 7))![0]);
  });
  const shown = (counts: Map<string, number>): string =>
    [...counts]
      .sort((a, b) => b[1] - a[1])
      .map(([key, count]) => `  ${key} ${count}`)
      .join("\n");
  return [`${program.name}, by handler:`, shown(handlers), `${program.name}, by class:`, shown(classes)];
}

/** The place in the source that the code was expanded into. */
function outermost(span: Span): Span {
  let at = span;
  while (at.via) at = at.via.at;
  return at;
}

/** The method or function around a place. */
function handlerOf(span: Span, sources: readonly SourceFile[]): string {
  const { text, path } = sources[span.file]!;
  let name = "none";
  const visit = (node: ts.Node): void => {
    if (node.pos > span.start || node.end < span.start) return;
    if ((ts.isMethodDeclaration(node) || ts.isFunctionDeclaration(node)) && node.name) name = node.name.getText(file);
    ts.forEachChild(node, visit);
  };
  const file = parsed.get(path) ?? ts.createSourceFile(path, text, ts.ScriptTarget.Latest);
  parsed.set(path, file);
  visit(file);
  return name;
}
const parsed = new Map<string, ts.SourceFile>();

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
