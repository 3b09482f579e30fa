/** The labelled corpus, where it is at hand: what a 6.18 kernel says of programs that were written to test its verifier. */
import { existsSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { corpusAnswer, type CorpusProgram } from "../../compiler/verifier/corpus.ts";

interface Labelled extends CorpusProgram {
  readonly verdict: "accept" | "reject";
  readonly failingInsn?: number;
}
const FILE = new URL("../../../shared/data/verifier-corpus.json", import.meta.url);
const missing = existsSync(FILE) ? "" : " (skipped: no ../shared/data/verifier-corpus.json)";

describe.skipIf(missing !== "")(`verifier corpus${missing}`, () => {
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
