/** Figures from kernels: the one that runs here, and the patched one in its virtual machine. */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { build } from "esbuild";
import { repository } from "./clang.ts";
import type { KernelFigures } from "./measure-kernel.ts";

export interface Loaded {
  readonly processed: number;
  readonly jited: number;
}
export interface ToLoad {
  readonly key: string;
  readonly object: Uint8Array;
  readonly program: string;
}
export interface Measured {
  readonly figures: ReadonlyMap<string, Loaded>;
  /** Why there are none, or which objects the kernel refused. */
  readonly problems: readonly string[];
}

/** Beside the repository's packages, where the loader finds its binding to system calls, and the virtual machine finds it too. */
const cache = join(repository, "node_modules/.cache/tsbpf-tests");

/**
 * "here" loads in a child process on this machine; "patched" boots kernel/run.sh around it, with the image that
 * TSBPF_BENCH_KERNEL names or the one in the cache.
 */
export async function measureOnKernel(where: "here" | "patched", loads: readonly ToLoad[]): Promise<Measured> {
  const image = process.env["TSBPF_BENCH_KERNEL"] || undefined;
  if (
    where !== "here" &&
    image === undefined &&
    spawnSync(join(repository, "kernel/build.sh"), ["--if-cached"]).status !== 0
  ) {
    return { figures: new Map(), problems: ["no patched kernel in the cache: run kernel/build.sh first"] };
  }
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, "objects-"));
  try {
    const tool = join(cache, "measure-kernel.mjs");
    await build({
      absWorkingDir: repository,
      entryPoints: ["tests/bench/measure-kernel.ts"],
      outfile: tool,
      bundle: true,
      packages: "external",
      platform: "node",
      target: "node20",
      format: "esm",
      logLevel: "warning",
    });
    const files = new Map<string, ToLoad>();
    for (const load of loads) {
      const file = join(folder, `${createHash("sha1").update(load.key).digest("hex").slice(0, 12)}.o`);
      writeFileSync(file, load.object);
      files.set(file, load);
    }
    const [command, args] =
      where === "here"
        ? [process.execPath, [tool, ...files.keys()]]
        : [
            join(repository, "kernel/run.sh"),
            [...(image === undefined ? [] : ["--kernel", image]), process.execPath, tool, ...files.keys()],
          ];
    const run = spawnSync(command, args, { encoding: "utf8", maxBuffer: 1 << 26, timeout: 600_000 });
    return collect(run.stdout ?? "", files, run.status === 0 ? undefined : failure(command, run.status, run.stderr));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const failure = (command: string, status: number | null, stderr: string): string =>
  `${command} ended with ${status}: ${stderr.trim().split("\n").slice(-3).join(" ")}`;

function collect(stdout: string, files: ReadonlyMap<string, ToLoad>, failed: string | undefined): Measured {
  const figures = new Map<string, Loaded>();
  const problems: string[] = failed === undefined ? [] : [failed];
  for (const line of stdout.split(/\r?\n/).filter((text) => text.startsWith('{"object"'))) {
    const answer = JSON.parse(line) as KernelFigures;
    const load = files.get(answer.object);
    if (!load) continue;
    const program = answer.programs?.find((one) => one.name === load.program);
    if (program) figures.set(load.key, { processed: program.processed, jited: program.jited });
    else problems.push(`${load.key}: ${answer.problem ?? "no such program"}`);
  }
  return { figures, problems };
}
