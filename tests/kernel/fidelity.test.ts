/** The simulator beside the patched kernel, on a path of 200 ms: netem delays, tbf is the bottleneck. */
import { describe, expect, it } from "vitest";
import { load } from "../../runtime/testing/load.ts";
import { distance } from "../runtime/fidelity/distance.ts";
import { FAR, simulated, traceOfRun, traceOfSamples, WITHIN } from "../runtime/fidelity/paths.ts";
import { disturbed, type Sample } from "../runtime/fidelity/rig.ts";
import { cachedKernel, missingTool, runInVm } from "./kernel.ts";
import { bundleScenario } from "./runtime/bundle.ts";

const kernel = cachedKernel();
const skip = kernel.missing ?? missingTool("qemu-system-x86_64", "ip", "tc", "nsenter");
/** The kernel's name of each, and ours. */
const CONTROLS = { reno: "reno" } as const;

describe.skipIf(skip)(`windows in the simulator and in the patched kernel${skip ? ` (skipped: ${skip})` : ""}`, () => {
  it("on a path with a delay", async ({ skip: skipped }) => {
    const { code, stdout, stderr } = runInVm(["node", await bundleScenario(), "fidelity", ...Object.keys(CONTROLS)]);
    expect(code, `${stdout.slice(-2000)}\n${stderr}`).toBe(0);
    const found = stdout
      .split("\n")
      .filter((line) => line.startsWith('{"'))
      .map((line) => JSON.parse(line) as { name: string; samples?: Sample[] });
    for (const [control, program] of Object.entries(CONTROLS)) {
      const { samples } = found.find(({ name }) => name === control)!;
      const trouble = disturbed(FAR, samples!);
      if (trouble) return skipped(trouble);
      const url = new URL(`../../programs/${program}.ts`, import.meta.url);
      const { [program]: ours } = await load(url);
      const far = distance(traceOfRun(simulated(ours, FAR)), traceOfSamples(samples!), FAR.settle);
      for (const [what, most] of Object.entries(WITHIN))
        expect(far[what as keyof typeof WITHIN], `${control}: ${JSON.stringify(far)}`).toBeLessThan(most);
    }
  });
});
