/** What `build` and `check` have in common: which files, standard input, and again after a change. */
import { dirname, resolve } from "node:path";
import { MAX_SOURCE_BYTES, trouble } from "../files/files.ts";
import { projectAbove, sourcesOf } from "../project/project-file.ts";
import { PROJECT_FILE } from "../files/imports.ts";
import { readStandardInput } from "../files/standard-input.ts";
import { remembered } from "./cache/remember.ts";
import { STANDARD_INPUT, type BuildOptions } from "./compile-file.ts";
import { colour, err, troubleText } from "./output.ts";
import { rerun } from "./rerun.ts";

export interface CompilingOptions extends BuildOptions {
  readonly watch?: boolean;
  /** Whether "-" is standard input. */
  readonly readsInput?: boolean;
  /** Path that the text on standard input is taken for. */
  readonly stdinPath?: string;
}
const WRONG_COMMAND_LINE = 2;
type Run = (files: readonly string[], options: BuildOptions) => number;

/** Runs a command over the files that are named, or over the project. Gives the exit code; throws TroubleError. */
export async function compiling(
  run: Run,
  files: readonly string[],
  { watch, stdinPath, readsInput, ...given }: CompilingOptions,
): Promise<number> {
  const fromInput = readsInput === true && files.includes(STANDARD_INPUT);
  if (watch && fromInput) throw trouble("bad-argument", "standard input cannot be watched", "name the file");
  const standardInput = fromInput
    ? { path: stdinPath ?? "stdin.ts", text: (await readStandardInput(MAX_SOURCE_BYTES)).toString("utf8") }
    : undefined;
  const options: BuildOptions = { ...given, ...(standardInput ? { standardInput } : {}) };
  if (watch) return watched(run, files, options);
  // What comes on standard input comes only once.
  return fromInput ? run(files, options) : remembered(() => once(run, files, options));
}

function once(run: Run, files: readonly string[], options: BuildOptions): number {
  if (files.length > 0) return run(files, options);
  const project = projectAbove(".");
  return project ? run(sourcesOf(project), { ...options, ...OF_A_PROJECT }) : noSources();
}

function watched(run: Run, files: readonly string[], options: BuildOptions): number | Promise<number> {
  if (files.length > 0) return rerun(files.map(dirname), (saw) => run(files, { ...options, saw }));
  const project = projectAbove(".");
  if (!project) return noSources();
  // A new program may appear in the project's folder, and the project file may change.
  return rerun([resolve(project.folder)], (saw) =>
    run(sourcesOf(projectAbove(".") ?? project), { ...options, ...OF_A_PROJECT, saw }),
  );
}

/** What programs share lies among them, and is none. */
const OF_A_PROJECT = { library: true };

function noSources(): number {
  const help = `name the files, or write ${PROJECT_FILE}: export default { sources: ["programs/*.ts"] }`;
  const message = "no file is named, and there is no project file here or above";
  err(troubleText({ key: "no-sources", message, help }, colour(process.stderr)));
  return WRONG_COMMAND_LINE;
}
