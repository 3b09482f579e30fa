/**
 * The simulator beside this machine's kernel, on the same path: how far their windows are from each other, as fidelity/distance.ts measures it. All delay
 * is in the bottleneck's queue, which takes no netem; tests/kernel/fidelity.test.ts has paths that are long.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadModule } from "../../runtime/kernel/load.ts";
import { probe } from "../../runtime/kernel/probe.ts";
import { load } from "../../runtime/testing/load.ts";
import { compiled } from "./compiled.ts";
import { distance } from "./fidelity/distance.ts";
import { NEAR, simulated, traceOfRun, traceOfSamples, WITHIN } from "./fidelity/paths.ts";
import { disturbed, traceKernel } from "./fidelity/rig.ts";
import { openLab, whyNot, type Lab } from "./lab.ts";

const lacking = (): string | undefined => {
  const answer = probe("struct-ops-links");
  return answer.ok ? undefined : answer.reason;
};
const skip = whyNot() ?? lacking();

describe.skipIf(skip)(`windows in the simulator and in this kernel${skip ? ` (skipped: ${skip})` : ""}`, () => {
  let lab: Lab;
  let reno: unknown;
  beforeAll(async () => {
    lab = openLab();
    ({ reno } = await load(new URL("../../programs/reno.ts", import.meta.url)));
  });
  afterAll(() => lab?.close());

  const compare = async (skipped: (reason: string) => void, congestion: string): Promise<void> => {
    const samples = await traceKernel(lab, NEAR, congestion);
    const trouble = disturbed(NEAR, samples);
    if (trouble) return skipped(trouble);
    const found = distance(traceOfRun(simulated(reno, NEAR)), traceOfSamples(samples), NEAR.settle);
    for (const [what, most] of Object.entries(WITHIN))
      expect(found[what as keyof typeof WITHIN], JSON.stringify(found)).toBeLessThan(most);
    expect(Math.min(...found.epochs)).toBeGreaterThanOrEqual(3);
  };

  it("the kernel's own reno", ({ skip: skipped }) => compare(skipped, "reno"));

  it("the same object in both", async ({ skip: skipped }) => {
    const object = loadModule(compiled("reno", "mainline"), { name: "fidelity" });
    try {
      object.register();
      await compare(skipped, "ts_reno");
    } finally {
      object.close();
    }
  });
});
