/**
 * Makes the labelled corpus anew, or labels the one that is there by another kernel (root):
 *
 *   npm run corpus                                         programs anew, labelled by this machine's kernel
 *   kernel/run.sh --kernel 6.1 npm run -s corpus -- --label > labels.json
 *   npm run corpus -- --add labels.json                    adds, or replaces, that kernel's labels
 *
 *   npm run corpus -- --struct-ops                         congestion controls, ours and clang's of the same in C, and mutants of them
 *
 * The programs: bundled ones, random ones of the test suite's generators, and mutants of both.
 */
import { readdirSync, readFileSync } from "node:fs";
import { release } from "node:os";
import { encodeSlots } from "../../../compiler/bpf/raw.ts";
import { EXTRACTED, kernelTypes, printKernelTypes } from "../../../compiler/bpf/kernel-types.ts";
import { compile } from "../../../compiler/compile.ts";
import { complete } from "../../../compiler/object/complete.ts";
import { extractTypes } from "../../../compiler/object/extract-types.ts";
import { readObject } from "../../../compiler/object/read.ts";
import { corpusProgram, verifyCorpusProgram, type CorpusProgram } from "../../../compiler/verifier/corpus.ts";
import { verifierProgram } from "../../../compiler/verifier/program.ts";
import type { Result } from "../../../compiler/verifier/verify.ts";
import { runningSetting } from "../../../runtime/kernel/running-config.ts";
import { runningTypes } from "../../../runtime/kernel/running-types.ts";
import { cFile, compileC } from "../../bench/clang.ts";
import { numberProgram } from "../../differential/generate.ts";
import { kernelUnavailable, runningRelease } from "../../differential/kernel.ts";
import { mutate, random } from "../../differential/mutate.ts";
import { askKernel } from "../../differential/verifier.ts";
import { asLoaded } from "../../differential/verifier-run.ts";
import { fromSeed } from "../../generate/choices.ts";
import { indexProgram } from "../../generate/indexes.ts";
import { entry } from "./entry.ts";
import { readCorpus, writeCorpus, type Labels } from "./format.ts";

const RANDOM = 60;
const NUMBERS = 80;
const MUTANTS = 2000;
/** Slots; longer ones say little more and are large. */
const LONGEST = 200;

/** Instructions to process; mutants with loops take up to a million, and a test should not. */
const BUDGET = 8000;
const isLong = (result: Result): boolean =>
  result.verdict === "unsupported" && result.feature === "programs this long to verify";

function own(name: string, text: string): CorpusProgram[] {
  const { module, object } = compile({ path: name, text }, { target: "mainline" });
  if (!module || !object) return [];
  return module.programs
    .filter((program) => program.insns.length <= LONGEST)
    .map((program) =>
      entry(`${name}: ${program.name}`, asLoaded(verifierProgram(module, program, "mainline", runningRelease()))),
    );
}

function programs(): CorpusProgram[] {
  const bundled = readdirSync("programs")
    .filter((file) => file.endsWith(".ts"))
    .flatMap((file) => own(`programs/${file}`, readFileSync(`programs/${file}`, "utf8")));
  const indexed = Array.from({ length: RANDOM }, (_, seed) =>
    own(`indexes ${seed}`, indexProgram(fromSeed(seed + 1))),
  ).flat();
  const rng = random(1);
  const numbers = Array.from({ length: NUMBERS }, (_, index): CorpusProgram => {
    const insns = Buffer.from(encodeSlots(numberProgram(rng, 5 + rng.below(30)))).toString("hex");
    return { name: `numbers ${index}`, type: "socket_filter", attach: 0, flags: 0, insns };
  });
  const seeds = [...bundled, ...bundled, ...bundled, ...indexed, ...numbers];
  return short([...bundled, ...indexed, ...numbers, ...mutantsOf(seeds, rng)]);
}

/** Programs with something changed in them: of a seed, with parts of the others. */
function mutantsOf(seeds: readonly CorpusProgram[], rng: ReturnType<typeof random>): CorpusProgram[] {
  const decoded = seeds.map((seed) => corpusProgram(seed));
  const donors = decoded.map(({ insns }) => insns);
  return Array.from({ length: MUTANTS }, (_, index): CorpusProgram => {
    const which = rng.below(seeds.length);
    const { insns } = mutate(decoded[which]!.insns, rng, donors);
    return {
      ...seeds[which]!,
      name: `mutant ${index} of ${seeds[which]!.name}`,
      insns: Buffer.from(encodeSlots(insns)).toString("hex"),
    };
  });
}
/** Without those that are empty, and those that take the verifier long. */
const short = (programs: readonly CorpusProgram[]): CorpusProgram[] =>
  programs.filter((program) => program.insns.length > 0 && !isLong(verifyCorpusProgram(program, { budget: BUDGET })));

const TWINS = ["cubic", "dctcp", "congestion-control"];
/** Congestion controls: the bundled ones, and what clang makes of them in C (tests/bench/c), for the running kernel; each with mutants. */
function structOpsPrograms(): CorpusProgram[] {
  const types = extractTypes(runningTypes().btf, EXTRACTED, "the running kernel");
  if (printKernelTypes({ ...types, release: "" }) !== printKernelTypes({ ...kernelTypes(), release: "" }))
    throw new Error("the running kernel's structs are not those of the repository's extract");
  const isOne = ({ type }: CorpusProgram): boolean => type === "struct_ops";
  const bundled = readdirSync("programs")
    .filter((file) => file.endsWith(".ts"))
    .flatMap((file) => own(`programs/${file}`, readFileSync(`programs/${file}`, "utf8")))
    .filter(isOne);
  const foreign = TWINS.flatMap((file) => {
    const read = readObject(compileC(cFile(file), "clang-19", "v3", "mainline"));
    const module = complete(
      { ...read, module: read.module! },
      { btf: runningTypes().btf, setting: runningSetting },
    ).module;
    return module.programs
      .filter(({ type }) => type === "struct_ops")
      .map((program) => {
        // Judged by the extract, as ours are: whoever runs the test may have another kernel.
        const judged = verifierProgram({ ...module, target: "mainline" }, program, "mainline", runningRelease());
        return entry(`clang, ${file}.c: ${program.name}`, asLoaded(judged));
      });
  });
  const seeds = [...bundled, ...foreign];
  return short([...seeds, ...mutantsOf(seeds, random(1))]);
}

/** Asks the running kernel. */
function label(list: readonly CorpusProgram[]): Labels {
  const insns: Record<number, number> = {};
  const accepts = list.map((program, index): 0 | 1 => {
    const { accepted, insn } = askKernel(corpusProgram(program));
    if (!accepted && insn !== undefined) insns[index] = insn;
    return accepted ? 1 : 0;
  });
  return { kernel: release(), date: new Date().toISOString().slice(0, 10), accepts, insns };
}

const [command, file] = process.argv.slice(2);
const without = kernelUnavailable();
if (command === "--add") {
  const corpus = readCorpus();
  const more = JSON.parse(readFileSync(file!, "utf8")) as Labels;
  const labels = [...corpus.labels.filter(({ kernel }) => kernel !== more.kernel), more];
  if (more.accepts.length !== corpus.programs.length) throw new Error("labels of another corpus");
  console.log(`${labels.map(({ kernel }) => kernel).join(", ")}: ${writeCorpus({ ...corpus, labels })} bytes`);
} else if (without !== undefined) {
  console.error(`the kernel cannot be asked: ${without}`);
  process.exitCode = 3;
} else if (command === "--label") {
  console.log(JSON.stringify(label(readCorpus().programs)));
} else {
  const name = command === "--struct-ops" ? "struct-ops" : "corpus";
  const list = name === "struct-ops" ? structOpsPrograms() : programs();
  const labels = label(list);
  const refused = labels.accepts.filter((one) => one === 0).length;
  const bytes = writeCorpus({ programs: list, labels: [labels] }, name);
  console.log(`${list.length} programs, ${refused} refused by ${labels.kernel}: ${bytes} bytes`);
}
