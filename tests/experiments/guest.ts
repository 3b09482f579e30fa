/** Steps of an experiment inside the virtual machine of kernel/run.sh: a line of JSON for each comes out of it. */
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";
import { repository } from "../runtime/repository.ts";
import type { Environment, Measured, Options, Step } from "./experiment.ts";

/** What the inside is told, as a file in the folder that both see. */
export interface Task {
  readonly experiment: string;
  readonly steps: readonly Step[];
  readonly options: Options;
}
/** What it tells. */
export interface Finding {
  readonly step: Step;
  readonly measured: Measured;
  readonly environment: Environment;
}
export const TASK = "task.json";
/** An emulated machine may need this many times the seconds of a step. */
const PATIENCE = 6;
const BOOT_SECONDS = 120;

async function bundle(): Promise<string> {
  const outfile = join(repository, "node_modules/.cache/tsbpf-tests/experiments-inside.mjs");
  await build({
    absWorkingDir: repository,
    entryPoints: [join(repository, "tests/experiments/inside.ts")],
    outfile,
    bundle: true,
    external: ["koffi"],
    platform: "node",
    target: "node20",
    format: "esm",
    logLevel: "warning",
    // ts-morph is CommonJS and asks for Node's modules at run time.
    banner: {
      js: 'import{createRequire as __cr}from"node:module";import{fileURLToPath as __fu}from"node:url";import{dirname as __dn}from"node:path";const require=__cr(import.meta.url),__filename=__fu(import.meta.url),__dirname=__dn(__filename);',
    },
  });
  return outfile;
}

/** Runs a task, and gives `found` each finding as it comes; `started` is told how to end the machine. */
export async function runInside(
  task: Task,
  folder: string,
  found: (finding: Finding) => void,
  started: (stop: () => void) => void,
): Promise<void> {
  writeFileSync(join(folder, TASK), JSON.stringify(task));
  const seconds = BOOT_SECONDS + PATIENCE * task.steps.reduce((sum, step) => sum + step.seconds, 0);
  const child = spawn(
    join(repository, "kernel/run.sh"),
    ["--timeout", String(Math.ceil(seconds)), process.execPath, await bundle(), folder],
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
