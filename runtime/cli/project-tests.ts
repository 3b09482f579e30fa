/** Runs tests of a project with the project's own vitest, and says what failed. */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { exists, realPath, status } from "../files/disk.ts";
import { reason, trouble } from "../files/files.ts";
import { isOthers } from "../files/others.ts";
import { out, say } from "./output.ts";

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

/**
 * Runs them, and says what failed. Whether all passed; no vitest is none to fail. When the signal is aborted it ends early, and what it
 * gives says nothing. Throws TroubleError where no temporary folder can be made.
 */
export async function runTests(folder: string, tests: readonly string[], signal: AbortSignal): Promise<boolean> {
  const { vitest, refused } = vitestAbove(folder);
  if (vitest === undefined) {
    const why =
      refused === undefined
        ? "there is no vitest in node_modules"
        : `${refused} may be somebody else's (it is of user ${status(refused)?.owner}, in a folder of everybody's)`;
    say(`the tests are not run: ${why} (npm install --save-dev vitest, or --no-tests)`);
    return true;
  }
  const work = temporaryFolder();
  try {
    const file = join(work, "report.json");
    const args = ["run", "--reporter=json", `--outputFile=${file}`, ...tests.map((test) => relative(folder, test))];
    const printed = await printedBy(vitest, args, folder, signal);
    if (signal.aborted) return false;
    const report = reportIn(file);
    if (report !== undefined) return told(folder, report);
    out(printed);
    return false;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
function temporaryFolder(): string {
  try {
    return mkdtempSync(join(tmpdir(), "tsbpf-dev-"));
  } catch (error) {
    throw trouble(
      "cannot-write",
      `cannot make a folder in ${tmpdir()}: ${reason(error)}`,
      "name another in TMPDIR, or --no-tests",
    );
  }
}

/** Undefined where there is none, or not a whole one. */
function reportIn(file: string): Report | undefined {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Report;
  } catch {
    return undefined;
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

/** The nearest vitest at or above a folder that nobody else can have put there; else the first file that somebody else may have. */
export function vitestAbove(folder: string): { readonly vitest?: string; readonly refused?: string } {
  let refused: string | undefined;
  const real = realPath(folder) ?? folder;
  for (let at = folder; ; at = dirname(at)) {
    const file = join(at, "node_modules", ".bin", "vitest");
    if (exists(file)) {
      const others = [...way(at, file), ...way(real, realPath(file) ?? file)].find(isOthers);
      if (others === undefined) return { vitest: file };
      refused ??= others;
    }
    if (dirname(at) === at) return refused === undefined ? {} : { refused };
  }
}
/** A file and the folders above it, up to those which a project's folder lies in. */
function way(project: string, file: string): readonly string[] {
  const found: string[] = [];
  for (let at = file; !`${project}/`.startsWith(at === "/" ? at : `${at}/`); at = dirname(at)) found.push(at);
  return found;
}

/** What is asked to end, and does not within that time, is ended. */
const GRACE_MS = 2000;

/** Runs a command, with all that it starts, to its end or until the signal is aborted; what it printed. */
function printedBy(file: string, args: readonly string[], cwd: string, signal: AbortSignal): Promise<string> {
  return new Promise((resolved) => {
    let text = "";
    let timer: NodeJS.Timeout | undefined;
    const child = spawn(file, args, {
      cwd,
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, NO_COLOR: "1" },
      // A group of its own, which can be ended as a whole.
      detached: true,
    });
    const kill = (how: NodeJS.Signals): void => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, how);
      } catch {
        // All of them have ended.
      }
    };
    const end = (): void => {
      kill("SIGTERM");
      timer = setTimeout(() => kill("SIGKILL"), GRACE_MS);
    };
    const done = (printed: string): void => {
      signal.removeEventListener("abort", end);
      clearTimeout(timer);
      // Its children may have stayed.
      if (signal.aborted) kill("SIGKILL");
      resolved(printed);
    };
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (chunk) => (text += chunk));
    child.on("error", (error) => done(error.message));
    child.on("close", () => done(text));
    // Who holds its output beyond its own end need not be waited for.
    child.on("exit", () => signal.aborted && done(text));
    if (signal.aborted) end();
    else signal.addEventListener("abort", end);
  });
}
