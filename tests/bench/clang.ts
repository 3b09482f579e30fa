/** Compiles the C counterparts with the clangs that are installed. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { has, kernels, type TargetName } from "../../compiler/bpf/kernels.ts";

export type Isa = "v1" | "v3";
export const CLANGS = ["clang-16", "clang-19"] as const;
export type Clang = (typeof CLANGS)[number];
export const ISAS = ["v1", "v3"] as const satisfies readonly Isa[];

/** The repository, from the sources as well as from a bundle under node_modules/.cache. */
export const repository = ((): string => {
  const here = fileURLToPath(import.meta.url);
  const cached = here.indexOf("/node_modules/");
  return cached >= 0 ? here.slice(0, cached) : dirname(dirname(dirname(here)));
})();
export const cFile = (file: string): string => join(repository, "tests/bench/c", `${file}.c`);
export const programFile = (file: string): string => join(repository, "programs", `${file}.ts`);

const works = (command: string, args: readonly string[]): boolean => spawnSync(command, args).status === 0;
const installed = new Map<string, boolean>();
/** Is the compiler here, with a BPF backend? And the headers: asked once. */
export function hasClang(clang: Clang): boolean {
  const known = installed.get(clang);
  if (known !== undefined) return known;
  const args = [...flags("v3", "mainline"), "-fsyntax-only", cFile("user-timeout")];
  const answer = works(clang, args);
  installed.set(clang, answer);
  return answer;
}

export function flags(isa: Isa, target: TargetName): readonly string[] {
  return [
    "-O2",
    "-g",
    "-target",
    "bpf",
    `-mcpu=${isa}`,
    // Where Debian keeps asm/types.h.
    "-I/usr/include/x86_64-linux-gnu",
    ...(has(kernels[target], "tcp-option-events") ? ["-DPATCHED"] : []),
  ];
}

/** The object, as bytes. Throws with clang's own words when it does not compile. */
export function compileC(path: string, clang: Clang, isa: Isa, target: TargetName): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), "tsbpf-clang-"));
  try {
    const object = join(folder, "twin.o");
    const run = spawnSync(clang, [...flags(isa, target), "-Wall", "-Werror", "-c", path, "-o", object], {
      encoding: "utf8",
    });
    if (run.status !== 0) throw new Error(`${clang} ${path}: ${run.stderr || run.error?.message}`);
    return new Uint8Array(readFileSync(object));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
