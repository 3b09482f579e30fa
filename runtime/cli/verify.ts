/** `tsbpf verify`: what the kernel's verifier would say of objects, or of the programs of a corpus file. */
import { readFileSync } from "node:fs";
import { isRange, kernelNamed, kernels, type TargetName } from "../../compiler/bpf/kernels.ts";
import { NEWEST, versionIn, type Version } from "../../compiler/bpf/verifier-rules.ts";
import { diagnosticsToJson, renderDiagnostics } from "../../compiler/diagnostics/render.ts";
import { readObject } from "../../compiler/object/read.ts";
import { corpusAnswer, type CorpusAnswer, type CorpusProgram } from "../../compiler/verifier/corpus.ts";
import { verifyProgram } from "../../compiler/verifier/module.ts";
import { readObjectFile, reason, trouble, TroubleError } from "../files/files.ts";
import { problemText } from "./disasm.ts";
import { colour, err, json, out, outputFailed, say, troubleText } from "./output.ts";

export interface VerifyOptions {
  readonly corpus?: string;
  readonly verbose?: boolean;
  readonly target?: TargetName;
  /** Whose verifier is asked. */
  readonly kernel?: Version;
  readonly json?: boolean;
}

export function verifyCommand(files: readonly string[], options: VerifyOptions): number {
  if (options.corpus !== undefined) return verifyCorpus(options.corpus, options);
  if (files.length === 0)
    throw trouble("nothing-to-verify", "no object given", "tsbpf verify OBJECT, or --corpus FILE");
  let failures = 0;
  const reports: object[] = [];
  for (const file of files) {
    try {
      const report = verifyObject(file, options);
      reports.push(report.json);
      if (!report.ok) failures++;
    } catch (error) {
      if (!(error instanceof TroubleError)) throw error;
      failures++;
      reports.push({ object: file, ok: false, trouble: error.trouble });
      if (!options.json) err(troubleText(error.trouble, colour(process.stderr)));
    }
  }
  if (options.json) out(json({ files: reports }));
  return failures === 0 ? 0 : 1;
}

function verifyObject(file: string, options: VerifyOptions): { ok: boolean; json: object } {
  const { module, problems } = readObject(readObjectFile(file));
  if (!module)
    throw trouble("bad-object", `${file}: ${problems.map(problemText).join("; ")}`, "give a BPF object file (ELF)");
  const kernel = options.target ? kernels[options.target] : kernelNamed(module.target);
  const proved = isRange(kernel) && module.kernel !== undefined ? versionIn(module.kernel) : undefined;
  const release = options.kernel ?? proved ?? kernel.newest;
  if (module.programs.length === 0 && !options.json) say(`${file}: no programs in this object, so nothing to verify`);
  let ok = true;
  const programs = module.programs.map((program) => {
    const { result, diagnostics, log } = verifyProgram(module, program, kernel.name, release, {
      verbose: options.verbose ?? false,
    });
    if (result.verdict === "reject") ok = false;
    if (!options.json) {
      if (log) out(log.join("\n"));
      if (result.verdict === "accept") {
        say(
          `${file}: ${program.name}: accepted by Linux ${release}, ${result.processed} instructions processed, ${result.stack} bytes of stack`,
        );
      } else err(renderDiagnostics(diagnostics, module.sources, { colour: colour(process.stderr) }));
    }
    const facts =
      result.verdict === "accept"
        ? { processed: result.processed, stack: result.stack }
        : result.verdict === "reject"
          ? { failingInsn: result.failingInsn, category: result.category, message: result.message }
          : { feature: result.feature };
    const shown = diagnosticsToJson(diagnostics, module.sources);
    return { name: program.name, verdict: result.verdict, ...facts, diagnostics: shown, ...(log ? { log } : {}) };
  });
  return { ok, json: { object: file, ok, kernel: release, programs } };
}

/** One answer per program, whatever the program is; the exit code says only whether the file could be read. */
function verifyCorpus(path: string, options: VerifyOptions): number {
  let programs: unknown;
  try {
    programs = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    // A syntax error quotes the file, which may be another than it seems.
    const why = error instanceof SyntaxError ? "it is not JSON" : reason(error);
    throw trouble("cannot-read", `cannot read ${path}: ${why}`);
  }
  if (!Array.isArray(programs)) throw trouble("bad-corpus", `${path} is not a list of programs`);
  for (const [index, program] of programs.entries()) {
    if (outputFailed()) break;
    const answer = answerFor(program, `${path}[${index}]`, options.kernel ?? NEWEST);
    if (options.json) out(json(answer, 0));
    else say(`${answer.verdict.padEnd(11)} ${answer.name}${answer.message === null ? "" : `: ${answer.message}`}`);
  }
  return 0;
}

function answerFor(program: unknown, place: string, release: Version): CorpusAnswer {
  const p = program as Partial<CorpusProgram> | null;
  if (typeof p?.name !== "string" || typeof p.insns !== "string" || typeof p.type !== "string") {
    const name = typeof p?.name === "string" ? p.name : place;
    const message = "not a program of a corpus: name, type and insns are needed";
    return { name, verdict: "reject", failingInsn: null, category: "format", message };
  }
  try {
    return corpusAnswer({ attach: 0, flags: 0, ...p } as CorpusProgram, { release });
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return { name: p.name, verdict: "reject", failingInsn: null, category: "format", message: error.message };
  }
}
