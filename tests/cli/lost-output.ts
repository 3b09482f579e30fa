/** Ways for output to get lost, each as a line of shell around a command; what came of it is written down beside. */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { root } from "../programs.ts";

export interface Ended {
  /** As the shell says it: 128 and more is a signal. */
  readonly code: number;
  readonly stderr: string;
}

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
const commandLine = (args: readonly string[], bin: string): string => [join(root, bin), ...args].map(quoted).join(" ");

/** `$RUN` is the command, `$ERR` where its standard error goes, `$CODE` where its exit code is written. */
const WAYS = {
  "a full disk": 'sh -c "$RUN" >/dev/full 2>$ERR; echo $? >$CODE',
  "a closed pipe": '{ sleep 0.3; sh -c "$RUN" 2>$ERR; echo $? >$CODE; } | true',
  // The terminal goes away with `script`, before the command starts.
  "a closed terminal":
    'script -qc "setsid sh -c \\"sleep 0.5; sh -c \\\\\\"\\$RUN\\\\\\"; echo \\\\\\$? >\\$CODE\\" & sleep 0.1" /dev/null </dev/null',
  "both streams on a full disk": 'sh -c "$RUN" >/dev/full 2>&1; echo $? >$CODE',
} as const;
export type Way = keyof typeof WAYS;
export const ways = Object.keys(WAYS) as Way[];
export const noScript = spawnSync("script", ["--version"]).status === 0 ? undefined : "no script(1)";

/** Runs a command to its end in one of the ways. */
export async function lost(
  way: Way,
  args: readonly string[],
  options: { bin?: string; input?: string } = {},
): Promise<Ended> {
  const folder = mkdtempSync(join(tmpdir(), "tsbpf-lost-"));
  const files = { ERR: join(folder, "err"), CODE: join(folder, "code") };
  try {
    const { NODE_OPTIONS: _, ...env } = process.env;
    const child = spawn("bash", ["-c", WAYS[way]], {
      cwd: root,
      env: { ...env, ...files, RUN: commandLine(args, options.bin ?? "bin/tsbpf"), NO_COLOR: "1" },
      stdio: ["pipe", "ignore", "ignore"],
    });
    child.stdin.on("error", () => undefined);
    child.stdin.end(options.input ?? "");
    for (const end = Date.now() + 100_000; !existsSync(files.CODE) || readFileSync(files.CODE, "utf8") === "";) {
      if (Date.now() > end) throw new Error(`${way}: ${args.join(" ")} did not end`);
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
    const stderr = existsSync(files.ERR) ? readFileSync(files.ERR, "utf8") : "";
    return { code: Number(readFileSync(files.CODE, "utf8")), stderr };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * What is wrong with an end: a signal, a stack trace, no word about what was lost where a word can be seen, or more than
 * that line. Undefined when nothing is.
 */
export function fault(way: Way, { code, stderr }: Ended): string | undefined {
  const said = stderr.split("\n").filter((line) => line.includes("[output-lost]"));
  if (code >= 128) return `it ended with signal ${code - 128}`;
  if (code === 0) return "it called that a success";
  if (/^ {4}at |node:internal|Node\.js v/m.test(stderr)) return `a stack trace: ${stderr}`;
  if ((way === "a full disk" || way === "a closed pipe") && said.length !== 1) return `not one line: ${stderr}`;
  return undefined;
}
