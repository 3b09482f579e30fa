/**
 * What the server asks of a compilation, and what it gets: plain values, because they go to another thread and back.
 * The frontend answers within a keystroke; the rest, with the verifier, takes its time elsewhere.
 */
import { dirname } from "node:path";
import { compile, raised, type CompileOptions, type CompileResult } from "../../compiler/compile.ts";
import type { Diagnostic } from "../../compiler/diagnostics.ts";
import type { Finding } from "../../compiler/findings.ts";
import type { BpfModule } from "../../compiler/module.ts";
import type { FoundImport, SourceFile } from "../../compiler/span.ts";
import { TroubleError } from "../files/files.ts";
import { importReader } from "../files/imports.ts";
import { compileOptionsOf, projectAbove } from "../project/project-file.ts";
import { strictKeys } from "../files/tsconfig.ts";
import { workOf, type Work } from "./work.ts";

/** One program to look at, as it is in the editor. */
export interface Question {
  readonly entry: SourceFile;
  /** Texts of files that are open, by absolute path: they count instead of what is on the disk. */
  readonly open: ReadonlyMap<string, string>;
}
/** What is known from the frontend alone. */
export interface Quick {
  readonly diagnostics: readonly Diagnostic[];
  readonly findings: readonly Finding[];
  readonly sources: readonly SourceFile[];
}
/** What is known when everything was done. */
export interface Whole extends Quick {
  /** Absent where there are errors. */
  readonly module?: BpfModule;
  /** By program: what the verifier did. */
  readonly work: ReadonlyMap<string, Work>;
}

const reader = ({ entry, open }: Question): ((path: string, from: string) => FoundImport) => {
  const read = importReader(entry.path);
  return (path, from) => {
    const found = read(path, from);
    if (!found || "refused" in found) return found;
    const text = open.get(found.path);
    return text === undefined ? found : { path: found.path, text };
  };
};

/** What the project file says. One that is wrong is the command's to complain of. */
function settingsOf(path: string): CompileOptions {
  try {
    return compileOptionsOf(projectAbove(dirname(path))?.settings ?? {});
  } catch (error) {
    if (error instanceof TroubleError) return {};
    throw error;
  }
}

function run(question: Question, options: CompileOptions): CompileResult {
  const { entry } = question;
  const settings = settingsOf(entry.path);
  // As `tsbpf check` does: a file of helpers and structs alone is fine, and the tsconfig has the word on unused names.
  const result = compile(entry, { readImport: reader(question), library: true, ...settings, ...options });
  return !settings.strict && result.diagnostics.some((one) => one.key.startsWith("unused"))
    ? raised(result, strictKeys(entry.path))
    : result;
}

/** The errors of the language, and what is found out about names. */
export function quick(question: Question): Quick {
  const { diagnostics, findings, sources } = run(question, { frontendOnly: true });
  return { diagnostics, findings, sources };
}

/** All errors, and the bytecode with what the verifier makes of it. */
export function whole(question: Question): Whole {
  const { diagnostics, findings, sources, module } = run(question, {});
  const work = new Map(module?.programs.map((program) => [program.name, workOf(module, program)]));
  return { diagnostics, findings, sources, work, ...(module ? { module } : {}) };
}
