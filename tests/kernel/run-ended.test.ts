// kernel/run.sh when it is ended itself: QEMU is one of ours here, so no kernel is needed.
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { missingTool, repository } from "./kernel.ts";

const missing = missingTool("bash", "timeout", "tail");
const directory = mkdtempSync(join(tmpdir(), "tsbpf-ended-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Waits until something holds; the test's own limit ends it when it never does. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 20));
}
const runs = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

test.skipIf(missing).each([
  { signal: "SIGTERM", code: 143 },
  { signal: "SIGINT", code: 130 },
  { signal: "SIGHUP", code: 129 },
] as const)(
  `kernel/run.sh ends the machine on $signal and leaves nothing${missing ? ` (skipped: ${missing})` : ""}`,
  async ({ signal, code }) => {
    const bin = join(directory, "bin");
    const temporary = join(directory, signal);
    const pidFile = join(directory, `${signal}.pid`);
    mkdirSync(bin, { recursive: true });
    mkdirSync(temporary);
    writeFileSync(join(directory, "bzImage"), "");
    const qemu = join(bin, "qemu-system-x86_64");
    const script = `#!/bin/sh\ncase " $* " in *" -machine none "*) exit 1 ;; esac\necho $$ > ${pidFile}.new && mv ${pidFile}.new ${pidFile}\nexec sleep 1000\n`;
    writeFileSync(qemu, script);
    chmodSync(qemu, 0o755);
    const run = spawn(join(repository, "kernel/run.sh"), ["--kernel", join(directory, "bzImage"), "true"], {
      env: { ...process.env, PATH: `${bin}:${process.env["PATH"]}`, TMPDIR: temporary },
      stdio: "ignore",
    });
    const ended = once(run, "exit");
    await until(() => existsSync(pidFile));
    const machine = Number(readFileSync(pidFile, "utf8"));
    expect(runs(machine)).toBe(true);
    run.kill(signal);
    expect((await ended)[0]).toBe(code);
    await until(() => !runs(machine));
    expect(readdirSync(temporary)).toEqual([]);
  },
  30_000,
);
