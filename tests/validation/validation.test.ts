/**
 * Translation validation, in the size that every test run can afford: optimized code does what unoptimized code does.
 * The full size is `npm run test:validation`.
 */
import { describe, expect, test } from "vitest";
import { builds } from "../bench/variants.ts";
import { checkSeed } from "../generate/check.ts";
import { canLoad, kernelRunner } from "../generate/kernel-runner.ts";
import { validateBundled } from "./bundled.ts";
import { passSets } from "./without.ts";

describe("bundled programs with and without passes", () => {
  test.each(builds)("$twin.file for $target", ({ twin, target }) => {
    expect(validateBundled(twin, target, passSets(1), 20, 1).problem).toBeUndefined();
  });
});

describe("random programs with and without passes", () => {
  test.each([501, 502, 503, 504, 505, 506, 507, 508, 509, 510, 511, 512])("seed %i", (seed) => {
    expect(checkSeed(seed, { runs: 20, semantics: true, without: passSets(seed) }, 100)).toBeUndefined();
  });

  const denied = canLoad();
  test.skipIf(denied !== undefined)(
    `the kernel accepts both and agrees${denied ? ` (skipped: ${denied})` : ""}`,
    () => {
      for (const seed of [521, 522, 523, 524]) {
        const checks = { runs: 5, semantics: true, without: passSets(seed), kernel: kernelRunner };
        expect(checkSeed(seed, checks, 50)).toBeUndefined();
      }
    },
  );
});
