import { describe, expect, it } from "vitest";
import type { Sample } from "./experiment.ts";
import { expectedPaths, longestGap } from "./multipath.ts";
import { toHtml } from "./report.ts";
import { EXPERIMENTS } from "./table.ts";

const QUICK_SECONDS = 200;
const FULL = { quick: false, seed: 1 };
const QUICK = { quick: true, seed: 1 };

describe.each(EXPERIMENTS.map((one) => [one.name, one] as const))("%s", (_, experiment) => {
  it("takes each variant once in a repetition, and a quick run takes minutes", () => {
    for (const options of [FULL, QUICK]) {
      const keys = experiment.steps(options).map(({ variant, repetition }) => `${repetition} ${variant}`);
      expect(keys.length).toBeGreaterThan(0);
      expect(new Set(keys).size).toBe(keys.length);
    }
    const seconds = (options: typeof FULL): number =>
      experiment.steps(options).reduce((sum, step) => sum + step.seconds, 0);
    expect(seconds(QUICK)).toBeLessThan(QUICK_SECONDS);
    expect(seconds(QUICK)).toBeLessThanOrEqual(seconds(FULL));
  });

  it("runs in a quick run what a full one runs, or less", () => {
    const full = new Set(experiment.steps(FULL).map((step) => step.variant));
    expect(experiment.steps(QUICK).filter((step) => !full.has(step.variant))).toEqual([]);
  });

  it("shows what an interrupted run has, and tells no success by it", () => {
    const environment = { kernel: "k", cpu: "c", cpus: 1, versions: {} };
    const samples = experiment
      .steps(QUICK)
      .slice(0, 1)
      .map(({ variant, repetition }): Sample => ({
        experiment: experiment.name,
        variant,
        repetition,
        seed: 1,
        quick: false,
        at: "2026-01-01T00:00:00Z",
        environment,
        metrics: {},
      }));
    expect(toHtml([{ experiment, samples }])).toContain(`id="${experiment.name}"`);
    expect(experiment.verdict(samples).reproduced).not.toBe(true);
  });
});

describe("paths", () => {
  it("subflows that fall on paths by chance take so many of them on average", () => {
    expect(expectedPaths(1, 8)).toBe(1);
    expect(expectedPaths(8, 1)).toBeCloseTo(1);
    expect(expectedPaths(2, 2)).toBeCloseTo(1.5);
  });
  it("the longest row of spans without data counts, not all of them", () => {
    const full = 1e6;
    expect(longestGap([full, 0, 0, full, 0, full])).toBe(200);
    expect(longestGap([full])).toBe(0);
  });
});
