/** Labelled corpora: the repository's own, and the shared one of programs that were written to test the kernel's verifier. */
import { existsSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { releaseFor } from "../../compiler/bpf/kernels.ts";
import { RELEASES } from "../../compiler/bpf/verifier-rules.ts";
import { corpusAnswer, type CorpusProgram } from "../../compiler/verifier/corpus.ts";
import { readCorpus } from "./corpus/format.ts";

const own = readCorpus();

describe.each(own.labels)("our corpus, labelled by Linux $kernel on $date", (labels) => {
  test("no false accept, no false reject, the kernel's instruction", { timeout: 120_000 }, () => {
    const release = releaseFor(labels.kernel)!;
    const answers = own.programs.map((program, index) => ({
      name: program.name,
      answer: corpusAnswer(program, { release }),
      accepts: labels.accepts[index] === 1,
      insn: labels.insns[index],
    }));
    const of = (verdict: string, accepts: boolean): string[] =>
      answers.filter((one) => one.answer.verdict === verdict && one.accepts === accepts).map(({ name }) => name);
    expect(of("accept", false)).toEqual([]);
    expect(of("reject", true)).toEqual([]);
    const unsupported = answers.filter(({ answer }) => answer.verdict === "unsupported").length;
    expect(unsupported / answers.length).toBeLessThan(0.03);
    const placed = answers.filter((one) => one.answer.verdict === "reject" && one.insn !== undefined);
    expect(placed.length).toBeGreaterThan(300);
    const equal = placed.filter((one) => one.answer.failingInsn === one.insn);
    expect(equal.length / placed.length).toBeGreaterThanOrEqual(0.97);
  });
});

test("our corpus has programs of every outcome, and labels of every release whose rules we claim to know", () => {
  expect(own.programs.length).toBeGreaterThan(2000);
  expect(RELEASES.filter((release) => !own.labels.some(({ kernel }) => releaseFor(kernel) === release))).toEqual([]);
  for (const { accepts } of own.labels) {
    expect(accepts.length).toBe(own.programs.length);
    const accepted = accepts.filter((one) => one === 1).length;
    expect(accepted).toBeGreaterThan(300);
    expect(accepts.length - accepted).toBeGreaterThan(400);
  }
});

const structOps = readCorpus("struct-ops");
describe.each(structOps.labels)(
  "congestion controls, ours and clang's, by Linux $kernel on $date",
  ({ accepts, insns }) => {
    test("no false accept, few false rejects, the kernel's instruction", { timeout: 120_000 }, () => {
      expect(structOps.programs.length).toBeGreaterThan(1500);
      const answers = structOps.programs.map((program, index) => ({
        name: program.name,
        answer: corpusAnswer(program),
        accepts: accepts[index] === 1,
        insn: insns[index],
      }));
      const of = (verdict: string, label: boolean): string[] =>
        answers.filter((one) => one.answer.verdict === verdict && one.accepts === label).map(({ name }) => name);
      const accepted = accepts.filter((one) => one === 1).length;
      expect(Math.min(accepted, accepts.length - accepted)).toBeGreaterThan(300);
      expect(of("accept", false)).toEqual([]);
      expect(of("reject", true)).toEqual([]);
      expect(answers.filter(({ answer }) => answer.verdict === "unsupported").length / answers.length).toBeLessThan(
        0.1,
      );
      // Those that nobody has changed are all taken.
      expect(answers.filter(({ name, answer }) => !name.startsWith("mutant") && answer.verdict !== "accept")).toEqual(
        [],
      );
      const placed = answers.filter((one) => one.answer.verdict === "reject" && one.insn !== undefined);
      const equal = placed.filter((one) => one.answer.failingInsn === one.insn);
      expect(equal.length / placed.length).toBeGreaterThanOrEqual(0.97);
    });
  },
);

interface Labelled extends CorpusProgram {
  readonly verdict: "accept" | "reject";
  readonly failingInsn?: number;
}
const FILE = new URL("../../../shared/data/verifier-corpus.json", import.meta.url);
const missing = existsSync(FILE) ? "" : " (skipped: no ../shared/data/verifier-corpus.json)";

describe.skipIf(missing !== "")(`the shared corpus${missing}`, () => {
  test(
    "no false accept; few false rejects and unsupported programs; the kernel's instruction",
    { timeout: 60_000 },
    () => {
      const programs = JSON.parse(readFileSync(FILE, "utf8")) as Labelled[];
      const answers = programs.map((program) => ({ program, answer: corpusAnswer(program) }));
      const named = (verdict: string, label: string): string[] =>
        answers
          .filter(({ program, answer }) => answer.verdict === verdict && program.verdict === label)
          .map(({ program }) => program.name);
      expect(named("accept", "reject")).toEqual([]);
      expect(named("reject", "accept")).toEqual([]);
      const unsupported = answers.filter(({ answer }) => answer.verdict === "unsupported").length;
      expect(unsupported / programs.length).toBeLessThan(0.03);
      const placed = answers.filter(
        ({ program, answer }) => answer.verdict === "reject" && program.failingInsn !== undefined,
      );
      const equal = placed.filter(({ program, answer }) => answer.failingInsn === program.failingInsn);
      expect(equal.length / placed.length).toBeGreaterThanOrEqual(0.99);
    },
  );
});
