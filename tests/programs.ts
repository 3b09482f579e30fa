/** The bundled programs, compiled as the tests need them. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { kernels, type TargetName } from "../compiler/bpf/kernels.ts";
import { compile, type CompileOptions, type CompileResult } from "../compiler/compile.ts";

export const root = fileURLToPath(new URL("..", import.meta.url));
export const programsFolder = join(root, "programs");

/** Names of the programs, without ".ts". */
export const programNames: readonly string[] = readdirSync(programsFolder)
  .filter((file) => file.endsWith(".ts"))
  .map((file) => file.slice(0, -3))
  .sort();

const needsPatched = (text: string): boolean => /from "tsbpf\/(mptcp|delack)"/.test(text);
/** Options that are longer than the patched kernel's may be. */
const LONG: readonly string[] = ["trace-context", "client-address"];
const needsMainline = (text: string): boolean => /import \{[^}]*\bsockOps\b[^}]*\} from "tsbpf\/tcp"/.test(text);

export const sourceText = (name: string): string => readFileSync(join(programsFolder, `${name}.ts`), "utf8");

/** Every target a program can run on. */
export function targetsOf(name: string): readonly TargetName[] {
  const text = sourceText(name);
  if (needsPatched(text)) return ["patched"];
  if (needsMainline(text) || LONG.includes(name)) return ["mainline"];
  return Object.keys(kernels) as TargetName[];
}

export const builds: readonly { readonly name: string; readonly target: TargetName }[] = programNames.flatMap((name) =>
  targetsOf(name).map((target) => ({ name, target })),
);

/** Compiles a bundled program; paths in it are relative to the repository. */
export function compileProgram(name: string, target: TargetName, options: CompileOptions = {}): CompileResult {
  return compile(
    { path: `programs/${name}.ts`, text: sourceText(name) },
    {
      target,
      readImport: (path, from) => {
        const found = join(dirname(from), path);
        return { path: found, text: readFileSync(join(root, found), "utf8") };
      },
      ...options,
    },
  );
}
