/** `tsbpf dev`: after each change checks the programs, runs the tests that are affected, and puts what is right in the place of what runs. */
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative, resolve } from "node:path";
import type { TargetName } from "../../compiler/bpf/kernels.ts";
import type { CompileResult } from "../../compiler/compile.ts";
import { PROJECT_FILE } from "../files/imports.ts";
import { trouble, TroubleError } from "../files/files.ts";
import { projectAbove, sourcesOf } from "../project/project-file.ts";
import { affectedBy, testsBelow } from "./affected-tests.ts";
import { compileFile, hasErrors, showDiagnostics } from "./compile-file.ts";
import { clearScreen, colour, err, out, say, troubleText } from "./output.ts";
import { rerun } from "./rerun.ts";

export interface DevOptions {
  readonly cgroup?: string;
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
  const loaded = new Set<string>();
  /** Programs whose newest state has not been tested and put in place. */
  let behind: readonly string[] = [];
  try {
    return await rerun([folder, ...files.map(dirname)], async (saw, changed) => {
      clearScreen();
      const names = changed.map((path) => relative(".", path));
      say(`tsbpf dev  ${new Date().toTimeString().slice(0, 8)}${names.length > 0 ? `  ${names.join(", ")}` : ""}`);
      const checked = sources().map((file) => checkOne(file, options, saw));
      for (const one of checked) say(`${one.isRight ? "right" : "WRONG"}  ${one.file}${one.words}`);
      if (project) saw(project.path);
      const tests = options.tests ? testsBelow(folder) : [];
      for (const test of tests) saw(test);
      const since = [...behind, ...changed];
      behind = since;
      if (checked.some((one) => !one.isRight)) return done(1);
      const parts = new Map(checked.map((one) => [resolve(one.file), one.parts]));
      const affected = since.length === 0 ? tests : affectedBy(since, tests, parts);
      if (affected.length > 0 && !(await runTests(folder, affected))) return done(1);
      const code = options.cgroup === undefined ? 0 : await place(checked, since, options.cgroup, options, loaded);
      behind = code === 0 ? [] : since;
      return done(code);
    });
  } finally {
    if (loaded.size > 0) {
      const { guarded } = await import("./report.ts");
      await guarded(false, async () => (await import("./detach.ts")).detach([...loaded], { pins: options.pins }));
    }
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

/** What vitest writes with its reporter "json". */
interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly testResults: readonly {
    readonly name: string;
    readonly message?: string;
    readonly status: string;
    readonly assertionResults: readonly {
      readonly status: string;
      readonly fullName: string;
      readonly failureMessages?: readonly string[];
    }[];
  }[];
}

/** Runs them with the project's vitest, and says what failed. Whether all passed; no vitest is none to fail. */
async function runTests(folder: string, tests: readonly string[]): Promise<boolean> {
  const vitest = vitestAbove(folder);
  if (vitest === undefined) {
    say("the tests are not run: there is no vitest in node_modules (npm install --save-dev vitest, or --no-tests)");
    return true;
  }
  const work = mkdtempSync(join(tmpdir(), "tsbpf-dev-"));
  try {
    const file = join(work, "report.json");
    const args = ["run", "--reporter=json", `--outputFile=${file}`, ...tests.map((test) => relative(folder, test))];
    const printed = await printedBy(vitest, args, folder);
    if (!existsSync(file)) {
      out(printed);
      return false;
    }
    return told(folder, JSON.parse(readFileSync(file, "utf8")) as Report);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function told(folder: string, report: Report): boolean {
  for (const { name, status, message, assertionResults } of report.testResults) {
    const failed = assertionResults.filter((one) => one.status === "failed");
    const passed = assertionResults.filter((one) => one.status === "passed").length;
    say(
      `${status === "passed" ? "right" : "WRONG"}  ${relative(folder, name)}  ${passed} passed, ${failed.length} failed`,
    );
    for (const { fullName, failureMessages } of failed)
      out(`  ${fullName}\n${indented((failureMessages ?? []).join("\n"))}`);
    if (status !== "passed" && failed.length === 0 && message) out(indented(message));
  }
  return report.testResults.every(({ status }) => status === "passed");
}
/** Without the lines of vitest's own calls. */
const indented = (text: string): string =>
  text
    .split("\n")
    .filter((line) => !/^\s+at .*node_modules/.test(line))
    .map((line) => `    ${line}`)
    .join("\n");

function vitestAbove(folder: string): string | undefined {
  const file = join(folder, "node_modules", ".bin", "vitest");
  if (existsSync(file)) return file;
  return dirname(folder) === folder ? undefined : vitestAbove(dirname(folder));
}

/** Runs a command to its end; what it printed. */
function printedBy(file: string, args: readonly string[], cwd: string): Promise<string> {
  return new Promise((resolved) => {
    let text = "";
    const child = spawn(file, args, { cwd, stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, NO_COLOR: "1" } });
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (chunk) => (text += chunk));
    child.on("error", (error) => resolved(error.message));
    child.on("close", () => resolved(text));
  });
}

/** Loads what was not loaded, and replaces what has changed, each atomically. The worst exit code. */
async function place(
  checked: readonly Checked[],
  changed: readonly string[],
  cgroup: string,
  options: DevOptions,
  loaded: Set<string>,
): Promise<number> {
  const [{ guarded }, { load }, { nameOfFile }, { pinnedObjects }] = await Promise.all([
    import("./report.ts"),
    import("./load.ts"),
    import("../kernel/names.ts"),
    import("../kernel/pins.ts"),
  ]);
  let worst = 0;
  for (const { file, parts, hasPrograms } of checked) {
    const name = nameOfFile(file);
    if (!hasPrograms || (loaded.has(name) && !changed.some((path) => parts.has(path)))) continue;
    const isOthers = (): boolean => pinnedObjects(options.pins).includes(name) && !loaded.has(name);
    const code = await guarded(false, async () => {
      const before = isOthers();
      const { target, root, pins } = options;
      const ended = await load(file, {
        cgroup,
        replace: true,
        pins,
        ...(target ? { target } : {}),
        ...(root ? { root } : {}),
      });
      if (ended === 0 && !before) loaded.add(name);
      return ended;
    });
    worst = Math.max(worst, code);
  }
  return worst;
}
