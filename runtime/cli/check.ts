/** `tsbpf check`: everything that `build` does but writing. */
import { diagnosticsToJson } from "../../compiler/diagnostics/render.ts";
import { TroubleError } from "../files/files.ts";
import { compileFile, hasErrors, showDiagnostics, type BuildOptions } from "./compile-file.ts";
import { colour, err, json, out, say, troubleText } from "./output.ts";

/** Runs over files one by one. Returns the exit code. */
export function check(files: readonly string[], options: BuildOptions): number {
  const reports: object[] = [];
  let failures = 0;
  for (const file of files) {
    try {
      // A file of helpers and structs alone is fine to check; only an object needs programs.
      const result = compileFile(file, { ...options, library: true });
      showDiagnostics(result, options);
      const ok = !hasErrors(result);
      if (!ok) failures++;
      const diagnostics = diagnosticsToJson(result.diagnostics, result.sources);
      reports.push({ source: file, target: result.target, ok, diagnostics });
    } catch (error) {
      if (!(error instanceof TroubleError)) throw error;
      failures++;
      reports.push({ source: file, ok: false, trouble: error.trouble, diagnostics: [] });
      if (!options.json) err(troubleText(error.trouble, colour(process.stderr)));
    }
  }
  if (options.json) out(json({ files: reports }));
  else if (failures === 0) say(`${files.length === 1 ? files[0] : `${files.length} files`}: no errors`);
  return failures === 0 ? 0 : 1;
}
