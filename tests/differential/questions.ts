/** What other kernels' verifiers are asked, and what ours says: made on this machine, since a virtual one is slow, and read there. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Version } from "../../compiler/bpf/verifier-rules.ts";
import { compile } from "../../compiler/compile.ts";
import { corpusProgram, type CorpusProgram } from "../../compiler/verifier/corpus.ts";
import { verifierProgram } from "../../compiler/verifier/program.ts";
import { verify } from "../../compiler/verifier/verify.ts";
import { fromSeed } from "../generate/choices.ts";
import { indexProgram } from "../generate/indexes.ts";
import { printProgram } from "../generate/print.ts";
import { generateProgram, sizeOfSeed } from "../generate/program.ts";
import { entry } from "../verifier/corpus/entry.ts";
import { random } from "./mutate.ts";
import { mutant, type Seed } from "./verifier.ts";
import { asLoaded } from "./verifier-run.ts";

export interface Question {
  readonly program: CorpusProgram;
  /** `object`: made by build, and must load. `mutant`: whatever it is, both must say the same. */
  readonly kind: "object" | "mutant";
  readonly ours: "accept" | "reject" | "unsupported";
  /** Why ours rejects. */
  readonly because?: string;
}

/** Instructions to process; what is longer is not asked. */
const BUDGET = 60_000;
const NEWEST_ANSWER = "6.18";

/** Sources of the language tests: the suite runs once and leaves them in a folder. */
function languageSources(): { name: string; text: string }[] {
  const folder = mkdtempSync(join(tmpdir(), "tsbpf-language-"));
  try {
    const args = ["vitest", "run", "--maxWorkers=1", "--project", "unit", "tests/language"];
    const { status, stderr } = spawnSync("npx", args, {
      env: { ...process.env, TSBPF_KEEP_SOURCES: folder },
      encoding: "utf8",
    });
    if (status !== 0) throw new Error(`the language tests fail: ${stderr}`);
    return readdirSync(folder).map((file) => ({
      name: `language test ${file}`,
      text: readFileSync(join(folder, file), "utf8"),
    }));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function* sources(count: number): Generator<{ readonly name: string; readonly text: string }> {
  for (const file of readdirSync("programs").filter((name) => name.endsWith(".ts")))
    yield { name: `programs/${file}`, text: readFileSync(`programs/${file}`, "utf8") };
  yield* languageSources();
  for (let seed = 1; seed <= count; seed++)
    yield seed % 4 === 0
      ? { name: `indexes ${seed}`, text: indexProgram(fromSeed(seed)) }
      : { name: `random ${seed}`, text: printProgram(generateProgram(fromSeed(seed), sizeOfSeed(seed))) };
}

/** Every mainline object: of the project, of the language tests, and of so many random programs. Without the sources that are in error. */
export function objects(count: number): CorpusProgram[] {
  return [...sources(count)].flatMap(({ name, text }) => {
    const { module, object } = compile({ path: name, text }, { target: "mainline" });
    if (!module || !object) return [];
    return module.programs.map((program) =>
      entry(`${name}: ${program.name}`, asLoaded(verifierProgram(module, program, "mainline", NEWEST_ANSWER))),
    );
  });
}

/** Mutants of seeds. */
export function mutants(seeds: readonly Seed[], count: number): CorpusProgram[] {
  const rng = random(1);
  const donors = seeds.map(({ program }) => program.insns);
  return Array.from({ length: count }, () => {
    const seed = rng.pick(seeds);
    const { program, edits } = mutant(seed, rng, donors);
    return entry(`${seed.name} [${edits.join(", ")}]`, program);
  }).filter(({ insns }) => insns.length > 0);
}

/** The questions to a kernel, with our answers by its rules; mutants that take very long are left out. */
export function questions(
  release: Version,
  built: readonly CorpusProgram[],
  mutated: readonly CorpusProgram[],
): Question[] {
  const ask = (kind: Question["kind"], program: CorpusProgram): Question[] => {
    const result = verify(corpusProgram(program, release), kind === "mutant" ? { budget: BUDGET } : {});
    if (result.verdict === "unsupported" && result.feature === "programs this long to verify") return [];
    const because = result.verdict === "reject" ? { because: `${result.failingInsn}: ${result.message}` } : {};
    return [{ program, kind, ours: result.verdict, ...because }];
  };
  return [...built.flatMap((one) => ask("object", one)), ...mutated.flatMap((one) => ask("mutant", one))];
}
