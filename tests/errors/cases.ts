/** Reads the cases: one file for each key of the catalogue. */
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { compile, type CompileResult } from "../../compiler/compile.ts";
import { versionIn, type Version } from "../../compiler/bpf/verifier-rules.ts";
import type { TargetName } from "../../compiler/bpf/kernels.ts";

export const folder = fileURLToPath(new URL("cases/", import.meta.url));

export interface Case {
  /** As the file has it. */
  readonly written: string;
  /** As it is compiled. */
  readonly text: string;
  readonly files: ReadonlyMap<string, string>;
  readonly target?: TargetName;
  readonly kernel?: Version;
  /** "LINE KEY" of each report that must be there. */
  readonly marks: readonly string[];
}

export const hasCase = (key: string): boolean => existsSync(`${folder}${key}.ts`);

/** A case by its key. */
export const readCase = (key: string): Case => expanded(readFileSync(`${folder}${key}.ts`, "utf8"));

/** A text with what its lines ask for. */
export function expanded(written: string): Case {
  const files = new Map<string, string>();
  let target: TargetName | undefined;
  let kernel: Version | undefined;
  const lines = written.split("\n").map((line) => {
    const repeat = /^\/\/! repeat (\d+) (.*)$/.exec(line);
    if (repeat) return repeat[2]!.repeat(Number(repeat[1]));
    const file = /^\/\/! file (\S+) (.*)$/.exec(line);
    if (file) files.set(`./${file[1]}`, file[2]!);
    const wanted = /^\/\/ target: (\w+)$/.exec(line);
    if (wanted) target = wanted[1] as TargetName;
    const oldest = /^\/\/ kernel: (\S+)$/.exec(line);
    if (oldest) kernel = versionIn(oldest[1]!);
    return line;
  });
  const marks = lines.flatMap((line, index) => {
    const mark = /\/\/~ ([\w -]+)$/.exec(line);
    return mark ? mark[1]!.split(" ").map((one) => `${index + 1} ${one}`) : [];
  });
  return {
    written,
    text: lines.join("\n"),
    files,
    marks,
    ...(target ? { target } : {}),
    ...(kernel ? { kernel } : {}),
  };
}

/** Compiles a case, or another text with the same files and target. */
export const compileCase = (name: string, one: Omit<Case, "written">, text = one.text): CompileResult =>
  compile(
    { path: name, text },
    {
      readImport: (path) => (one.files.has(path) ? { path, text: one.files.get(path)! } : undefined),
      ...(one.target ? { target: one.target } : {}),
      ...(one.kernel ? { kernel: one.kernel } : {}),
    },
  );
