/** What is in a file that may be a source or an object. */
import type { BpfModule } from "../../compiler/module.ts";
import { readObject } from "../../compiler/object/read.ts";
import { readObjectFile, trouble } from "../files/files.ts";
import { compileFile, hasErrors, showDiagnostics, type BuildOptions } from "./compile-file.ts";
import { problemText } from "./disasm.ts";

/**
 * The module of a TypeScript source, compiled as its project says, or of a BPF object. Undefined where the source is wrong, which is said
 * then. Throws TroubleError where the file cannot be read or is no object.
 */
export function moduleOf(path: string, options: BuildOptions): BpfModule | undefined {
  if (/\.[mc]?ts$/.test(path)) {
    const result = compileFile(path, options);
    showDiagnostics(result, options);
    return hasErrors(result) ? undefined : result.module;
  }
  const { module, problems } = readObject(readObjectFile(path));
  if (!module)
    throw trouble("bad-object", `${path}: ${problems.map(problemText).join("; ")}`, "give a BPF object file (ELF)");
  return module;
}
