/**
 * Whatever text comes in, the whole compiler gives an answer: an object or errors, in bounded time, without a trace of its own insides.
 * `npm run test:fuzz:sources` looks at 20,000 texts; FUZZ_SOURCES is the number, FUZZ_FROM the first seed.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { compile } from "../../compiler/compile.ts";
import { renderDiagnostics } from "../../compiler/diagnostics/render.ts";
import { source } from "./sources.ts";

const COUNT = Number(process.env["FUZZ_SOURCES"] ?? 120);
const FROM = Number(process.env["FUZZ_FROM"] ?? 1);
/** Of processor time: the machine may have other things to do. */
const LONGEST_MS = 10_000;

const root = fileURLToPath(new URL("../..", import.meta.url));
const read = (...folders: string[]): string[] =>
  folders
    .flatMap((folder) =>
      readdirSync(join(root, folder))
        .filter((file) => file.endsWith(".ts"))
        .sort()
        .map((file) => readFileSync(join(root, folder, file), "utf8")),
    )
    // Cases that are large on purpose, and the largest program, would be most of the time.
    .filter(
      (text) =>
        text.length > 40 && text.length < 20_000 && !text.includes("//! repeat") && !text.includes("const fullmesh"),
    );
const right = read("programs", "tests/types/accepted");
const texts = {
  right,
  all: [...right, ...read("tests/types/left-to-compiler", "tests/types/mistakes", "tests/errors/cases")],
};

interface Outcome {
  readonly what: "object" | "errors";
  readonly ms: number;
}
/** Compiles a text; throws when something about the answer is wrong. */
function answer(text: string): Outcome {
  const before = process.cpuUsage();
  const result = compile({ path: "fuzz.ts", text });
  const { user, system } = process.cpuUsage(before);
  const ms = (user + system) / 1000;
  const errors = result.diagnostics.filter((one) => one.severity === "error");
  if (errors.length === 0 && !result.object) throw new Error("neither an object nor an error");
  if (errors.length > 0 && result.object) throw new Error("an object beside errors");
  for (const one of result.diagnostics) {
    const { length } = result.sources[one.span?.file ?? 0]!.text;
    const { start, end } = one.span ?? { start: 0, end: 0 };
    if (start < 0 || end < start || start > length) throw new Error(`${one.key} at ${start} to ${end} of ${length}`);
    if (/verifier-rejects|not-understood/.test(one.key)) throw new Error(`${one.key}: ${one.message}`);
  }
  const shown = renderDiagnostics(result.diagnostics, result.sources, { colour: true });
  const trace = /\n\s+at .*:\d+:\d+\)?(?:\n|$)|\[object \w+\]/.exec(shown);
  if (trace && !text.includes("[object")) throw new Error(`it shows its insides: ${trace[0]}`);
  if (ms > LONGEST_MS) throw new Error(`it took ${Math.round(ms)} ms`);
  return { what: result.object ? "object" : "errors", ms };
}

describe("errors: sources that nobody wrote", () => {
  test(
    `${COUNT} of them`,
    () => {
      const outcomes = { object: 0, errors: 0 };
      const wrong: string[] = [];
      let slowest = { ms: 0, seed: 0 };
      for (let seed = FROM; seed < FROM + COUNT; seed++) {
        const text = source(texts, seed);
        try {
          const { what, ms } = answer(text);
          outcomes[what]++;
          if (ms > slowest.ms) slowest = { ms, seed };
        } catch (error) {
          wrong.push(
            `seed ${seed}: ${error instanceof Error ? (error.stack ?? error.message).slice(0, 1500) : String(error)}`,
          );
          if (COUNT > 1000) console.log(wrong.at(-1));
        }
        if (COUNT > 1000 && seed % 1000 === 0) console.log(`${seed}`, outcomes, slowest);
      }
      expect(wrong).toEqual([]);
      expect(outcomes.errors).toBeGreaterThan(COUNT / 4);
      // Enough of them come through all of the compiler.
      expect(outcomes.object).toBeGreaterThan(COUNT / 20);
    },
    24 * 3600_000,
  );

  test("the same seed gives the same text, and another one another", () => {
    for (const seed of [4, 5, 6, 7]) {
      expect(source(texts, seed)).toBe(source(texts, seed));
      expect(source(texts, seed)).not.toBe(source(texts, seed + 8));
    }
  });
});
