/** `tsbpf build`. */
import { basename, join } from "node:path";
import { typesFor } from "../kernel/types.ts";
import { optionalPasses } from "../../compiler/compile.ts";
import { isRange, kernelNamed, kernels } from "../../compiler/bpf/kernels.ts";
import { diagnosticsToJson } from "../../compiler/diagnostics/render.ts";
import { printModule } from "../../compiler/ir/print.ts";
import type { BpfModule } from "../../compiler/module.ts";
import { listing } from "../../compiler/object/listing.ts";
import { printable } from "../../compiler/printable.ts";
import { trouble, TroubleError, writeWhole } from "../files/files.ts";
import {
  compileFile,
  hasErrors,
  inProject,
  showDiagnostics,
  STANDARD_INPUT,
  type BuildOptions,
} from "./compile-file.ts";
import { colour, err, json, out, troubleText } from "./output.ts";

/** Where the object of a source goes. */
export const objectPath = (source: string, folder: string | undefined): string =>
  join(folder ?? ".", `${basename(source).replace(/\.[mc]?ts$/, "")}.o`);

function summary(source: string, written: string, module: BpfModule, maxInsns: number): string {
  const rows = module.programs.map((program) => {
    const slots = `${program.insns.length} of ${maxInsns} instructions`;
    return `  ${program.name}  section ${program.section}, ${slots}, ${program.stack} bytes of stack`;
  });
  const since = isRange(kernelNamed(module.target)) ? `, Linux ${module.kernel} and later` : "";
  return [`${source} → ${written} (target ${module.target}${since})`, ...rows].map(printable).join("\n");
}

/** A name that switches nothing off would be a test of nothing. */
function checkPasses(names: readonly string[]): void {
  const optional = optionalPasses();
  const wrong = names.find((name) => !optional.includes(name));
  if (wrong === undefined) return;
  throw trouble(
    "no-such-pass",
    `no pass that can be switched off is called "${wrong}"`,
    `these can be switched off: ${optional.join(", ")}`,
  );
}

/** Runs over files one by one; a file's error does not stop the next. Returns the exit code. */
export function build(files: readonly string[], given: BuildOptions): number {
  const reports: object[] = [];
  let failures = 0;
  const paths = new Map<string, string>();
  for (const file of files) {
    try {
      checkPasses(given.passes ?? []);
      if (file === STANDARD_INPUT)
        throw trouble("bad-argument", "an object needs a name, and standard input has none", "tsbpf check - checks it");
      const options = inProject(file, given);
      const path = objectPath(file, options.output);
      const other = paths.get(path);
      if (other !== undefined && other !== file) {
        throw trouble(
          "same-output",
          `${other} and ${file} would both be written to ${path}`,
          "build them into different folders: -o DIR",
        );
      }
      paths.set(path, file);
      const report = buildOne(file, path, options);
      reports.push(report.json);
      if (!report.ok) failures++;
    } catch (error) {
      if (!(error instanceof TroubleError)) throw error;
      failures++;
      reports.push({ source: file, ok: false, trouble: error.trouble, diagnostics: [] });
      if (!given.json) err(troubleText(error.trouble, colour(process.stderr)));
    }
  }
  if (given.json) out(json({ files: reports }));
  return failures === 0 ? 0 : 1;
}

function buildOne(file: string, path: string, options: BuildOptions): { ok: boolean; json: object } {
  let wanted: string | undefined;
  const seen = new Set<string>();
  const result = compileFile(file, options, (pass, module, group) => {
    const names = group === undefined ? [pass] : [group, `${group}/${pass}`, pass];
    for (const name of names) seen.add(name);
    // A pass may run several times; the last time counts.
    if (options.printAfter !== undefined && names.includes(options.printAfter)) wanted = printModule(module);
  });
  showDiagnostics(result, options);
  const base = {
    source: file,
    target: result.target,
    diagnostics: diagnosticsToJson(result.diagnostics, result.sources),
  };
  if (options.printAfter !== undefined) {
    if (wanted !== undefined && !options.json) out(wanted);
    else if (!hasErrors(result)) {
      const names = [...seen].filter((name) => !name.includes("/")).join(", ");
      throw trouble(
        "no-such-pass",
        `no pass is called "${options.printAfter}"`,
        `the passes and their groups are: ${names}; GROUP/PASS names one of several`,
      );
    }
    return { ok: !hasErrors(result), json: { ...base, ok: !hasErrors(result), printed: wanted } };
  }
  if (hasErrors(result) || !result.module || !result.object) return { ok: false, json: { ...base, ok: false } };
  const { module, object } = result;
  if (module.programs.length === 0) {
    if (!options.json) out(printable(`${file}: no programs, nothing is written`));
    return { ok: true, json: { ...base, ok: true, programs: [] } };
  }
  const text = options.emit === "asm" ? listing(module) : options.emit === "ir" ? printModule(result.ir!) : undefined;
  if (text !== undefined) {
    if (!options.json) out(text);
    return { ok: true, json: { ...base, ok: true, text } };
  }
  writeWhole(path, object);
  const declarations = path.replace(/\.o$/, ".d.ts");
  if (options.types) writeWhole(declarations, typesFor(module));
  const maxInsns = options.maxInsns ?? kernels[result.target].maxInsns;
  if (!options.json) out(summary(file, path, module, maxInsns));
  const programs = module.programs.map((p) => ({
    name: p.name,
    section: p.section,
    type: p.type,
    instructions: p.insns.length,
    maxInstructions: maxInsns,
    stack: p.stack,
  }));
  return {
    ok: true,
    json: {
      ...base,
      ok: true,
      object: path,
      ...(options.types ? { declarations } : {}),
      bytes: object.length,
      needs: module.needs,
      programs,
    },
  };
}
