/** The built command as a user runs it. */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { join } from "node:path";
import { until } from "./lab.ts";
import { repository } from "./repository.ts";

const bin = join(repository, "bin/tsbpf.cjs");

export interface Finished {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}
export interface SpawnAs {
  readonly uid?: number;
  readonly gid?: number;
}

/** Runs the command to its end. */
export function tsbpf(args: readonly string[], as: SpawnAs = {}): Finished {
  const { status, stdout, stderr } = spawnSync(process.execPath, [bin, ...args], {
    cwd: repository,
    encoding: "utf8",
    timeout: 60_000,
    env: { ...process.env, NO_COLOR: "1" },
    ...as,
  });
  return { code: status, out: stdout, err: stderr };
}

export interface Running {
  readonly child: ChildProcess;
  readonly lines: string[];
  readonly errors: string[];
  /** Parsed lines of a command with --json. */
  readonly events: Record<string, unknown>[];
  /** Waits for a line that matches. */
  line(pattern: RegExp, ms?: number): Promise<string>;
  /** Sends a signal and waits for the end; the exit code. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
  readonly ended: Promise<number | null>;
}

const started = new Set<ChildProcess>();
/** Kills what a failed test has left running. */
export function stopAll(): void {
  for (const child of started) child.kill("SIGKILL");
  started.clear();
}

/** Starts the command and leaves it running. */
export function start(args: readonly string[]): Running {
  const child = spawn(process.execPath, [bin, ...args], {
    cwd: repository,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, NO_COLOR: "1" },
  });
  started.add(child);
  const lines: string[] = [];
  const errors: string[] = [];
  const events: Record<string, unknown>[] = [];
  const collect = (stream: NodeJS.ReadableStream | null, take: (line: string) => void): void => {
    let rest = "";
    stream?.setEncoding("utf8");
    stream?.on("data", (chunk: string) => {
      const parts = (rest + chunk).split("\n");
      rest = parts.pop() ?? "";
      for (const part of parts) take(part);
    });
  };
  collect(child.stdout, (line) => {
    lines.push(line);
    if (/^\{".*\}$/.test(line)) events.push(JSON.parse(line) as Record<string, unknown>);
  });
  collect(child.stderr, (line) => errors.push(line));
  // When all that it wrote has been read, too.
  const ended = new Promise<number | null>((resolve) => child.on("close", (code) => resolve(code)));
  return {
    child,
    lines,
    errors,
    events,
    ended,
    line: (pattern, ms = 20_000) =>
      until(
        `a line like ${pattern}: ${lines.join("\n")}${errors.join("\n")}`,
        () => lines.find((one) => pattern.test(one)),
        ms,
      ),
    stop(signal = "SIGINT") {
      child.kill(signal);
      return ended;
    },
  };
}
