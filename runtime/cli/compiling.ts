/** What `build` and `check` have in common: which files, standard input, and again after a change. */
import { resolve } from "node:path";
import { MAX_SOURCE_BYTES, trouble } from "../files/files.ts";
import { projectAbove } from "../files/project-file.ts";
import { readStandardInput } from "../files/standard-input.ts";
import { STANDARD_INPUT, programsOf, type BuildOptions } from "./compile-file.ts";
import { rerun } from "./rerun.ts";

export interface CompilingOptions extends BuildOptions {
  readonly watch?: boolean;
  /** Path that the text on standard input is taken for. */
  readonly stdinPath?: string;
}
type Run = (files: readonly string[], options: BuildOptions) => number;

/** Runs a command over the files that are named, or over the project. Gives the exit code; throws TroubleError. */
export async function compiling(
  run: Run,
  files: readonly string[],
  { watch, stdinPath, ...given }: CompilingOptions,
): Promise<number> {
  const fromInput = files.includes(STANDARD_INPUT);
  if (watch && fromInput) throw trouble("bad-argument", "standard input cannot be watched", "name the file");
  const standardInput = fromInput
    ? { path: stdinPath ?? "stdin.ts", text: (await readStandardInput(MAX_SOURCE_BYTES)).toString("utf8") }
    : undefined;
  const options: BuildOptions = { ...given, ...(standardInput ? { standardInput } : {}) };
  if (!watch) return run(programsOf(files), options);
  // A new program may appear in any folder of the project.
  const project = files.length === 0 ? projectAbove(".") : undefined;
  return rerun(project ? [resolve(project.folder)] : [], (saw) => run(programsOf(files), { ...options, saw }));
}
