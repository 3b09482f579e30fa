/**
 * Line coverage of BPF programs for `vitest --coverage`: a custom provider.
 *
 *     // vitest.config.ts
 *     test: { coverage: { provider: "custom", customProviderModule: "tsbpf/testing/coverage" } }
 *
 * It prints a table and writes coverage/tsbpf.lcov.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { coverageLcov, coverageText, mergeCoverage, takeCoverage, type Coverage } from "./coverage.ts";

interface Options {
  readonly provider: "custom";
  readonly customProviderModule: string;
  readonly reportsDirectory?: string;
  readonly [key: string]: unknown;
}
interface Vitest {
  readonly config: { readonly root: string; readonly coverage: Options };
}

function createProvider() {
  let vitest: Vitest | undefined;
  const all: Coverage = {};
  return {
    name: "tsbpf",
    initialize(context: Vitest): void {
      vitest = context;
    },
    resolveOptions: (): Options => vitest!.config.coverage,
    clean(): void {
      for (const path of Object.keys(all)) delete all[path];
    },
    onAfterSuiteRun({ coverage }: { readonly coverage?: Coverage }): void {
      if (coverage) mergeCoverage(all, coverage);
    },
    generateCoverage: (): Coverage => all,
    reportCoverage(coverage: Coverage): void {
      if (Object.keys(coverage).length === 0) return;
      const folder = resolve(vitest!.config.root, vitest!.config.coverage.reportsDirectory ?? "coverage");
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, "tsbpf.lcov"), coverageLcov(coverage));
      process.stdout.write(`\n${coverageText(coverage)}\n`);
    },
  };
}

/** What vitest asks of a coverage module: the provider in the main process, the other three in each worker. */
export default {
  getProvider: createProvider,
  startCoverage(): void {},
  takeCoverage: (): Coverage => takeCoverage(true),
  stopCoverage(): void {},
};
