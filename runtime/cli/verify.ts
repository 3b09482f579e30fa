/** `tsbpf verify`: what the kernel's verifier would say of objects, or of the programs of a corpus file. */
import { existsSync, readFileSync } from "node:fs";
import { release as runningRelease } from "node:os";
import { extractedTypes, type KernelTypes } from "../../compiler/bpf/kernel-types.ts";
import { isRange, kernelNamed, kernels, type TargetName } from "../../compiler/bpf/kernels.ts";
import type { WholeKernel } from "../../compiler/bpf/whole-kernel.ts";
import { NEWEST, versionIn, type Version } from "../../compiler/bpf/verifier-rules.ts";
import { diagnosticsToJson, renderDiagnostics } from "../../compiler/diagnostics/render.ts";
import type { Btf } from "../../compiler/object/btf.ts";
import { complete } from "../../compiler/object/complete.ts";
import { readObject, type ReadObject } from "../../compiler/object/read.ts";
import { wholeKernel } from "../../compiler/object/whole-kernel.ts";
import { corpusAnswer, type CorpusAnswer, type CorpusProgram } from "../../compiler/verifier/corpus.ts";
import { verifyProgram, type ModuleOptions } from "../../compiler/verifier/module.ts";
import type { BpfModule, BpfProgram } from "../../compiler/module.ts";
import { readObjectFile, reason, trouble, TroubleError } from "../files/files.ts";
import { withCoreFacts } from "../kernel/core.ts";
import { RuntimeError } from "../kernel/errors.ts";
import { runningSetting } from "../kernel/running-config.ts";
import { btfOf, kernelTypesIn } from "../project/kernel-types.ts";
import { problemText } from "./disasm.ts";
import { colour, err, json, out, outputFailed, say, troubleText } from "./output.ts";

export interface VerifyOptions {
  readonly corpus?: string;
  readonly verbose?: boolean;
  readonly target?: TargetName;
  /** Whose verifier is asked. */
  readonly kernel?: Version;
  /** The kernel's types, for objects of other compilers; absent: the running kernel's. */
  readonly btf?: string;
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
  const read = readObject(readObjectFile(file));
  if (!read.module)
    throw trouble(
      "bad-object",
      `${file}: ${read.problems.map(problemText).join("; ")}`,
      "give a BPF object file (ELF)",
    );
  const { module, types, running } = forKernel({ ...read, module: read.module }, options);
  const kernel = options.target ? kernels[options.target] : kernelNamed(module.target);
  const proved = isRange(kernel) && module.kernel !== undefined ? versionIn(module.kernel) : undefined;
  const release = options.kernel ?? proved ?? running ?? kernel.newest;
  if (module.programs.length === 0 && !options.json) say(`${file}: no programs in this object, so nothing to verify`);
  let ok = true;
  const programs = module.programs.map((program) => {
    const placed = ofRelease(module, program, release, file);
    const { result, diagnostics, log } = verifyProgram(module, placed.program, kernel.name, release, {
      verbose: options.verbose ?? false,
      ...types,
      ...placed.types,
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

const VMLINUX = "/sys/kernel/btf/vmlinux";
interface OpenKernel {
  readonly btf: Btf;
  readonly types: KernelTypes;
  readonly whole: WholeKernel;
}
/** By file: reading one takes longer than most objects. */
const opened = new Map<string, OpenKernel>();
function openKernel(file: string): OpenKernel {
  const known = opened.get(file);
  if (known) return known;
  const btf = btfOf(file);
  const made = { btf, types: kernelTypesIn(btf, file), whole: wholeKernel(btf) };
  opened.set(file, made);
  return made;
}

interface ForKernel {
  readonly module: BpfModule;
  readonly types: Pick<ModuleOptions, "types" | "kernel">;
  /** The running kernel's version, where the object was made whole for it. */
  readonly running?: Version;
}
/** An object of another compiler as that kernel's loader would make it; ours is whole as it is. */
function forKernel(read: ReadObject & { readonly module: BpfModule }, { btf: path }: VerifyOptions): ForKernel {
  const { module } = read;
  const file = path ?? VMLINUX;
  if (module.target !== "unknown" || (path === undefined && !existsSync(VMLINUX))) return { module, types: {} };
  const asks = read.kernelInfo?.programs.some(({ core }) => core.length > 0);
  if (!asks && !module.structOps && !module.programs.some(({ externs }) => externs)) return { module, types: {} };
  const known = openKernel(file);
  const version = path === undefined ? versionIn(runningRelease()) : undefined;
  const done = complete(read, { btf: known.btf, setting: path === undefined ? runningSetting : () => undefined });
  return {
    module: done.module,
    types: { types: known.types, kernel: known.whole },
    ...(version === undefined ? {} : { running: version }),
  };
}

/** A program of ours with the members of the kernel's structs where that release has them, as its loader would put them; and those structs. */
function ofRelease(
  module: BpfModule,
  program: BpfProgram,
  release: Version,
  file: string,
): { readonly program: BpfProgram; readonly types: Pick<ModuleOptions, "types"> } {
  if (module.target === "unknown" || (program.core ?? []).length === 0) return { program, types: {} };
  const types = extractedTypes(release);
  try {
    return { program: { ...program, insns: withCoreFacts(program, program.insns, types) }, types: { types } };
  } catch (error) {
    if (!(error instanceof RuntimeError)) throw error;
    throw trouble(
      "kernel-lacks",
      `${file}: ${error.message} (Linux ${types.release})`,
      "verify it for a newer one: --kernel",
    );
  }
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
