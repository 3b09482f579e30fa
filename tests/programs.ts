/** The bundled programs, compiled as the tests need them. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { has, kernels, TARGETS, type TargetName } from "../compiler/bpf/kernels.ts";
import { compile, type CompileOptions, type CompileResult } from "../compiler/compile.ts";
import { isLanguageModule, MODULE_NEEDS, type LanguageModule } from "../compiler/frontend/project.ts";

export const root = fileURLToPath(new URL("..", import.meta.url));
export const programsFolder = join(root, "programs");

/** Names of the programs, without ".ts". */
export const programNames: readonly string[] = readdirSync(programsFolder)
  .filter((file) => file.endsWith(".ts"))
  .map((file) => file.slice(0, -3))
  .sort();

export const sourceText = (name: string): string => readFileSync(join(programsFolder, `${name}.ts`), "utf8");

/** Bytes of the longest option of a program, where it is longer than some target's may be. */
const LONGEST_OPTION: Readonly<Record<string, number>> = { "trace-context": 26, "client-address": 20 };
/** Modules of the language that a source imports. */
const modulesOf = (text: string): LanguageModule[] =>
  [...text.matchAll(/from "(tsbpf[^"]*)"/g)].map(([, name]) => name!).filter(isLanguageModule);
/** The low level has the events of one kernel, and not of those whose options have events of their own. */
const isLowLevel = (text: string): boolean => /import \{[^}]*\bsockOps\b[^}]*\} from "tsbpf\/tcp"/.test(text);

/** Every target a program can run on. */
export function targetsOf(name: string): readonly TargetName[] {
  const text = sourceText(name);
  const needs = modulesOf(text).flatMap((module) => MODULE_NEEDS[module] ?? []);
  return TARGETS.filter((target) => {
    const kernel = kernels[target];
    if (isLowLevel(text) && has(kernel, "tcp-option-events")) return false;
    return needs.every((feature) => kernel.features.has(feature)) && (LONGEST_OPTION[name] ?? 0) <= kernel.maxOption;
  });
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
