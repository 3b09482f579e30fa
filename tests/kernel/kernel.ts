import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { repository } from "../runtime/repository.ts";

export { repository };
const script = (name: string) => join(repository, "kernel", name);

/** With TSBPF_KERNEL_DEBUG=1 the tests run on the kernel with lockdep and KASAN instead. */
export const debug = process.env["TSBPF_KERNEL_DEBUG"] === "1";
const flavour = debug ? ["--debug-config"] : [];

export interface Kernel {
  /** Directory with bzImage, config, include/ and uapi.json; undefined: see `missing`. */
  readonly directory: string | undefined;
  /** Why there is none, in one line. */
  readonly missing: string | undefined;
}

/** The patched kernel of the build cache. Builds nothing: setup.ts has done that, where it can be done. */
export function cachedKernel(): Kernel {
  if (process.platform !== "linux" || process.arch !== "x64")
    return { directory: undefined, missing: "needs Linux on x86-64" };
  const found = spawnSync(script("build.sh"), [...flavour, "--if-cached"], { encoding: "utf8" });
  const directory = found.stdout.trim();
  if (found.status !== 0 || directory === "") return { directory: undefined, missing: "the kernel is not built" };
  return { directory, missing: undefined };
}

/** Builds the kernel when the cache does not have it: minutes, and several gigabytes for as long. */
export function buildKernel(): void {
  spawnSync(script("build.sh"), flavour, { stdio: ["ignore", "ignore", "inherit"] });
}

/** What is absent of the programs that the tests call; undefined: nothing. */
export function missingTool(...names: string[]): string | undefined {
  const paths = (process.env["PATH"] ?? "").split(":").concat("/usr/sbin", "/sbin");
  const absent = names.filter((name) => !paths.some((path) => existsSync(join(path, name))));
  return absent.length === 0 ? undefined : `needs ${absent.join(", ")}`;
}

export interface Run {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command in the virtual machine; `seconds` bounds it, `megabytes` are its memory. Exit codes: kernel/run.sh. */
export function runInVm(command: readonly string[], seconds = debug ? 3600 : 900, megabytes?: number): Run {
  const memory = megabytes === undefined ? [] : ["--memory", String(megabytes)];
  const done = spawnSync(script("run.sh"), [...flavour, "--timeout", String(seconds), ...memory, ...command], {
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });
  return { code: done.status, stdout: done.stdout, stderr: done.stderr };
}

/**
 * Compiles C programs for BPF against the patched kernel's headers, into a new directory that `remove` deletes:
 * name.bpf.c becomes name.o, or what `as` says. `define` is a macro, NAME=VALUE.
 */
export function compilePrograms(
  sources: readonly { readonly source: string; readonly as?: string; readonly define?: string }[],
  include: string,
): { readonly directory: string; readonly remove: () => void } {
  const directory = mkdtempSync(join(tmpdir(), "tsbpf-probe-"));
  for (const { source, as = basename(source, ".bpf.c"), define } of sources) {
    const object = join(directory, `${as}.o`);
    const clang = spawnSync(
      "clang-19",
      [
        "-O2",
        "-g",
        "-target",
        "bpf",
        "-Wall",
        "-Werror",
        ...(define === undefined ? [] : ["-D", define]),
        "-I",
        include,
        "-c",
        source,
        "-o",
        object,
      ],
      { encoding: "utf8" },
    );
    if (clang.status !== 0) throw new Error(`clang-19 cannot compile ${source}:\n${clang.stderr}`);
  }
  return { directory, remove: () => rmSync(directory, { recursive: true, force: true }) };
}
