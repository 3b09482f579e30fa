import { mkdtempSync, rmSync, writeFileSync, appendFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { interleaved, ratiosOf, valuesOf, verdictOf, type Sample } from "./experiment.ts";
import { addSample, beginSamples, missingSteps, readSamples } from "./samples.ts";

const sample = (variant: string, repetition: number, value = 1): Sample => ({
  experiment: "e",
  variant,
  repetition,
  seed: 1,
  quick: false,
  at: "2026-01-01T00:00:00Z",
  environment: { kernel: "k", cpu: "c", cpus: 1, versions: {} },
  metrics: { rate: value },
});

describe("samples of the experiments", () => {
  let folder: string;
  beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), "tsbpf-samples-"))));
  afterEach(() => rmSync(folder, { recursive: true }));

  it("reads what was written, without an end that was cut off", () => {
    const file = join(folder, "deeper", "e.jsonl");
    beginSamples(file, [sample("a", 0)]);
    addSample(file, sample("b", 0));
    appendFileSync(file, '{"experiment":"e","var');
    expect(readSamples(file).map((one) => one.variant)).toEqual(["a", "b"]);
  });

  it("reads compressed files, and nothing where there is none", () => {
    writeFileSync(join(folder, "e.jsonl.gz"), gzipSync(`${JSON.stringify(sample("a", 3))}\n`));
    expect(readSamples(join(folder, "e.jsonl"))).toEqual([sample("a", 3)]);
    expect(readSamples(join(folder, "none.jsonl"))).toEqual([]);
  });

  it("goes on with what is missing, by variant and repetition", () => {
    const steps = interleaved(["a", "b"], 2, () => 1);
    expect(steps.map((one) => `${one.variant}${one.repetition}`)).toEqual(["a0", "b0", "b1", "a1"]);
    expect(missingSteps(steps, [sample("b", 0), sample("a", 1)]).map((one) => one.variant)).toEqual(["a", "b"]);
  });

  it("cannot tell from quick samples", () => {
    const experiment = { verdict: () => ({ reproduced: true, because: "it is so." }) };
    expect(verdictOf(experiment, [sample("a", 0)]).reproduced).toBe(true);
    expect(verdictOf(experiment, [sample("a", 0), { ...sample("a", 1), quick: true }]).reproduced).toBe(undefined);
  });

  it("compares repetition with repetition", () => {
    const samples = [sample("a", 1, 30), sample("a", 0, 10), sample("b", 0, 5), sample("b", 2, 7)];
    expect(valuesOf(samples, "a", "rate")).toEqual([10, 30]);
    expect(ratiosOf(samples, "a", "b", "rate")).toEqual([2]);
  });
});
