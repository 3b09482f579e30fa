/** Compiles the file that a test names; a program with errors gives one exception with all of them. */
import { existsSync, readFileSync } from "node:fs";
import { relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { TroubleError } from "../files/files.ts";
import { importReader, readProgram } from "../files/imports.ts";
import { compile, type CompileOptions } from "../../compiler/compile.ts";
import { renderDiagnostics } from "../../compiler/diagnostics/render.ts";
import type { BpfModule } from "../../compiler/module.ts";

/** Carries the compiler's diagnostics as its message. */
export class CompileFailure extends Error {
  constructor(message: string) {
    super(message);
    this.name = "CompileFailure";
  }
}

export interface CompiledFile {
  /** Absolute. */
  readonly path: string;
  readonly text: string;
  readonly module: BpfModule;
}

const shownPath = (path: string): string => {
  const near = relative(process.cwd(), path);
  return near.startsWith("..") ? path : near;
};

export function pathOf(source: string | URL): string {
  if (source instanceof URL) return fileURLToPath(source);
  return source.startsWith("file:") ? fileURLToPath(source) : resolve(source);
}

const known = new Map<string, CompiledFile>();
/** Are the files that took part in it still the same? */
const isCurrent = ({ module }: CompiledFile): boolean =>
  module.sources.every((source) => existsSync(source.path) && readFileSync(source.path, "utf8") === source.text);

/** The same file for the same kernels is compiled once in a process, as long as neither it nor an import of it changes. */
export function compileFile(
  source: string | URL,
  { target, kernel }: Pick<CompileOptions, "target" | "kernel"> = {},
): CompiledFile {
  const path = pathOf(source);
  if (!existsSync(path)) throw new CompileFailure(`${shownPath(path)}: no such file (looked for ${path})`);
  const key = `${target ?? ""} ${kernel ?? ""} ${path}`;
  const before = known.get(key);
  if (before && isCurrent(before)) return before;
  const text = textOf(path);
  const result = compile(
    { path: shownPath(path), text },
    { readImport: importReader(path), ...(target ? { target } : {}), ...(kernel ? { kernel } : {}) },
  );
  const errors = result.diagnostics.filter((one) => one.severity === "error");
  if (errors.length > 0 || !result.module)
    throw new CompileFailure(
      `${shownPath(path)} does not compile\n\n${renderDiagnostics(errors, result.sources, { colour: false })}`,
    );
  const compiled: CompiledFile = { path, text, module: result.module };
  known.set(key, compiled);
  return compiled;
}

function textOf(path: string): string {
  try {
    return readProgram(path).text;
  } catch (error) {
    if (!(error instanceof TroubleError)) throw error;
    throw new CompileFailure(`${error.message}\n  help: ${error.trouble.help ?? "give a TypeScript source"}`);
  }
}
