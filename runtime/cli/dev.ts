/** `tsbpf dev`: after each change checks the programs, runs the tests that are affected, and puts what is right in the place of what runs. */
import { dirname, relative, resolve } from "node:path";
import type { TargetName } from "../../compiler/bpf/kernels.ts";
import type { CompileResult } from "../../compiler/compile.ts";
import { PROJECT_FILE } from "../files/imports.ts";
import { trouble, TroubleError } from "../files/files.ts";
import { projectAbove, sourcesOf } from "../project/project-file.ts";
import { affectedBy, reaches, testsBelow } from "./affected-tests.ts";
import { compileFile, hasErrors, showDiagnostics } from "./compile-file.ts";
import { clearScreen, colour, err, say, troubleText } from "./output.ts";
import { runTests } from "./project-tests.ts";
import { rerun } from "./rerun.ts";

export interface DevOptions {
  readonly cgroup?: string;
  /** Also objects that were loaded before. */
  readonly replace?: boolean;
  readonly tests: boolean;
  readonly pins: string;
  readonly target?: TargetName;
  readonly root?: string;
}
/** A program that was checked. */
interface Checked {
  readonly file: string;
  readonly isRight: boolean;
  readonly hasPrograms: boolean;
  /** Absolute paths. */
  readonly parts: ReadonlySet<string>;
  readonly words: string;
}

/** Goes on until it is stopped; gives the last exit code. What it has loaded it takes away again. */
export async function dev(files: readonly string[], options: DevOptions): Promise<number> {
  const project = projectAbove(".");
  if (files.length === 0 && !project)
    throw trouble(
      "no-sources",
      "no file is named, and there is no project file here or above",
      `name the files, or write ${PROJECT_FILE}: export default { sources: ["programs/*.ts"] }`,
    );
  const folder = project?.folder ?? resolve(".");
  const sources = (): readonly string[] => (files.length > 0 ? files : sourcesOf(projectAbove(".") ?? project!));
  const { cgroup, pins, replace, target, root } = options;
  const places =
    cgroup === undefined
      ? undefined
      : (await import("./dev-places.ts")).placesIn({
          cgroup,
          pins,
          ...(replace ? { replace } : {}),
          ...(target ? { target } : {}),
          ...(root ? { root } : {}),
        });
  /** Programs whose newest state has not been tested and put in place. */
  let behind: readonly string[] = [];
  try {
    return await rerun([folder, ...files.map(dirname)], async (saw, changed, signal) => {
      clearScreen();
      const names = changed.map((path) => relative(".", path));
      say(`tsbpf dev  ${new Date().toTimeString().slice(0, 8)}${names.length > 0 ? `  ${names.join(", ")}` : ""}`);
      const checked = sources().map((file) => checkOne(file, options, saw));
      for (const one of checked) say(`${one.isRight ? "right" : "WRONG"}  ${one.file}${one.words}`);
      if (project) saw(project.path);
      const parts = new Map(checked.map((one) => [resolve(one.file), one.parts]));
      const tests = reaches(options.tests ? testsBelow(folder) : [], parts);
      for (const { files: read } of tests.values()) for (const file of read) saw(file);
      const since = [...behind, ...changed];
      behind = since;
      if (checked.some((one) => !one.isRight)) return done(1);
      const affected = since.length === 0 ? [...tests.keys()] : affectedBy(since, tests, parts);
      const passed = affected.length === 0 || (await runTests(folder, affected, signal));
      if (signal.aborted) return undefined;
      if (!passed) return done(1);
      const code = (await places?.update(checked, since, signal)) ?? 0;
      if (signal.aborted) return code;
      behind = code === 0 ? [] : since;
      return done(code);
    });
  } finally {
    await places?.end();
  }
}
function done(code: number): number {
  say(`${code === 0 ? "" : "something is wrong; "}waiting for the next change (Ctrl-C ends)`);
  return code;
}

function checkOne(file: string, options: DevOptions, saw: (path: string) => void): Checked {
  const parts = new Set<string>([resolve(file)]);
  try {
    const result: CompileResult = compileFile(file, {
      ...(options.target ? { target: options.target } : {}),
      ...(options.root ? { root: options.root } : {}),
      library: true,
      saw(path) {
        parts.add(resolve(path));
        saw(path);
      },
    });
    showDiagnostics(result, {});
    const programs = result.module?.programs ?? [];
    const words = programs.map(({ name, insns }) => `  ${name}: ${insns.length} instructions`).join("");
    return { file, isRight: !hasErrors(result), hasPrograms: programs.length > 0, parts, words };
  } catch (error) {
    if (!(error instanceof TroubleError)) throw error;
    err(troubleText(error.trouble, colour(process.stderr)));
    saw(file);
    return { file, isRight: false, hasPrograms: false, parts, words: "" };
  }
}
