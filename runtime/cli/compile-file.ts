/** Sources by path, compiled as the command line and their project file say. */
import { dirname } from "node:path";
import type { OldestKernel, TargetName } from "../../compiler/bpf/kernels.ts";
import { compile, raised, type CompileResult } from "../../compiler/compile.ts";
import { renderDiagnostics } from "../../compiler/diagnostics/render.ts";
import type { IrModule } from "../../compiler/ir/ir.ts";
import type { SourceFile } from "../../compiler/span.ts";
import { importReader, readProgram } from "../files/imports.ts";
import { compileOptionsOf, projectAbove } from "../project/project-file.ts";
import { strictKeys } from "../files/tsconfig.ts";
import { colour, err } from "./output.ts";

export interface BuildOptions {
  readonly output?: string;
  readonly target?: TargetName;
  /** The oldest kernel that must take the objects. */
  readonly kernel?: OldestKernel;
  /** A file with the types of the kernel to compile with; absent: those of the repository. */
  readonly btf?: string;
  readonly emit?: "obj" | "asm" | "ir";
  readonly printAfter?: string;
  readonly maxInsns?: number;
  readonly passes?: readonly string[];
  readonly types?: boolean;
  readonly json?: boolean;
  /** Warnings are errors. */
  readonly strict?: boolean;
  /** A module without programs is no error. */
  readonly library?: boolean;
  /** Folder below which imports may lie; absent: the project's. */
  readonly root?: string;
  /** The program called "-": what came on standard input, and the path that it is taken for. */
  readonly standardInput?: SourceFile;
  /** Told of the paths of all files that took part. */
  readonly saw?: (path: string) => void;
}

/** Options with what the project of a source says below them. Throws TroubleError when the project file is wrong. */
export function inProject(source: string, options: BuildOptions): BuildOptions {
  const path = source === STANDARD_INPUT ? (options.standardInput?.path ?? source) : source;
  const project = projectAbove(dirname(path));
  if (!project) return options;
  options.saw?.(project.path);
  const { sources: _, out, ...settings } = project.settings;
  return { ...(out === undefined ? {} : { output: out }), ...settings, ...options };
}

/**
 * Compiles one file by path, with imports read from beside it and what its project file says. Throws TroubleError when a file
 * cannot be read.
 */
export function compileFile(
  path: string,
  given: BuildOptions,
  afterPass?: (pass: string, module: IrModule, group?: string) => void,
): CompileResult {
  const options = inProject(path, given);
  const source = path === STANDARD_INPUT && given.standardInput ? given.standardInput : readProgram(path, options.root);
  const result = compile(source, {
    readImport: importReader(source.path, options.root),
    ...compileOptionsOf(options),
    ...(options.passes ? { withoutPasses: options.passes } : {}),
    ...(afterPass ? { afterPass } : {}),
    ...(options.library ? { library: true } : {}),
  });
  for (const one of result.sources) options.saw?.(one.path);
  const unused = result.diagnostics.some((one) => one.key.startsWith("unused"));
  return unused && !options.strict ? raised(result, strictKeys(source.path)) : result;
}

export const hasErrors = (result: CompileResult): boolean => result.diagnostics.some((d) => d.severity === "error");

/** What stands for standard input among files. */
export const STANDARD_INPUT = "-";

let hinted = false;

/** Says what is wrong with a program, unless it goes into JSON; to people, once, where there is more to read. */
export function showDiagnostics(result: CompileResult, options: BuildOptions): void {
  if (options.json || result.diagnostics.length === 0) return;
  err(renderDiagnostics(result.diagnostics, result.sources, { colour: colour(process.stderr) }));
  if (hinted || !process.stderr.isTTY) return;
  hinted = true;
  err(`\n"tsbpf explain ${result.diagnostics[0]!.key}" says more, with examples.`);
}
