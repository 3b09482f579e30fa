/** Runs the built command as a user does. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { root } from "../programs.ts";

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export function tsbpf(
  args: readonly string[],
  options: { cwd?: string; input?: string; env?: Record<string, string> } = {},
): Ran {
  const { NODE_OPTIONS: _, ...env } = process.env;
  const ran = spawnSync(join(root, "bin/tsbpf"), [...args], {
    cwd: options.cwd ?? root,
    encoding: "utf8",
    input: options.input ?? "",
    env: { ...env, FORCE_COLOR: "", ...options.env },
    maxBuffer: 1 << 28,
  });
  return { code: ran.status, stdout: ran.stdout, stderr: ran.stderr };
}

/** Runs `body` in a new folder that is removed afterwards. */
export function inFolder<T>(body: (folder: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), "tsbpf-test-"));
  try {
    return body(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
