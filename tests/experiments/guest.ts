/** Steps of an experiment inside the virtual machine of kernel/run.sh: a line of JSON for each comes out of it. */
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";
import { repository } from "../runtime/repository.ts";
import { TASK, type Finding, type Task } from "./task.ts";

/** An emulated machine may need this many times the seconds of a step. */
const PATIENCE = 6;
const BOOT_SECONDS = 300;

async function bundle(): Promise<string> {
  const outfile = join(repository, "node_modules/.cache/tsbpf-tests/experiments-inside.mjs");
  await build({
    absWorkingDir: repository,
    entryPoints: [join(repository, "tests/experiments/inside.ts")],
    outfile,
    bundle: true,
    // The compiler stays outside: programs are compiled before.
    external: ["koffi", "./objects.ts"],
    platform: "node",
    target: "node20",
    format: "esm",
    logLevel: "warning",
  });
  return outfile;
}

/** Runs a task, and gives `found` each finding as it comes; `started` is told how to end the machine. */
export async function runInside(
  task: Task,
  machine: readonly string[],
  folder: string,
  found: (finding: Finding) => void,
  started: (stop: () => void) => void,
): Promise<void> {
  writeFileSync(join(folder, TASK), JSON.stringify(task));
  const seconds = BOOT_SECONDS + PATIENCE * task.steps.reduce((sum, step) => sum + step.seconds, 0);
  const child = spawn(
    join(repository, "kernel/run.sh"),
    [...machine, "--timeout", String(Math.ceil(seconds)), process.execPath, await bundle(), folder],
    { stdio: ["ignore", "pipe", "pipe"] },
  );
  started(() => void child.kill("SIGTERM"));
  let [line, trouble] = ["", ""];
  child.stderr.setEncoding("utf8").on("data", (text: string) => (trouble += text));
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    const lines = (line + text).split("\n");
    line = lines.pop()!;
    for (const one of lines) if (one.startsWith('{"step"')) found(JSON.parse(one) as Finding);
  });
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  if (code !== 0) throw new Error(`the virtual machine ended with ${code}:\n${trouble.slice(-4000)}`);
}
