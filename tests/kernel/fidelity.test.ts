/**
 * The simulator beside the patched kernel, on a path of 200 ms: netem delays, tbf is the bottleneck. The kernel's clock counts instructions, so that
 * what else this machine does is not in its windows.
 */
import { beforeAll, describe, expect, it } from "vitest";
import { load } from "../../runtime/testing/load.ts";
import { distance } from "../runtime/fidelity/distance.ts";
import { FAR, simulated, traceOfRun, traceOfSamples, WITHIN } from "../runtime/fidelity/paths.ts";
import { disturbed, type Sample } from "../runtime/fidelity/rig.ts";
import { cachedKernel, missingTool, runInVm } from "./kernel.ts";
import { bundleScenario } from "./runtime/bundle.ts";

const kernel = cachedKernel();
const unasked =
  process.env["TSBPF_KERNEL_FIDELITY"] === "1" ? undefined : "takes minutes; TSBPF_KERNEL_FIDELITY=1 runs it";
const skip = kernel.missing ?? unasked ?? missingTool("qemu-system-x86_64", "ip", "tc", "nsenter");
/** The kernel's name, which is that of our program, too. */
const CONTROLS = ["reno", "cubic"];

describe.skipIf(skip)(`windows in the simulator and in the patched kernel${skip ? ` (skipped: ${skip})` : ""}`, () => {
  const traces = new Map<string, Sample[]>();
  beforeAll(async () => {
    const { code, stdout, stderr } = runInVm(
      ["--icount", "node", await bundleScenario(), "fidelity", ...CONTROLS],
      1800,
    );
    expect(code, `${stdout.slice(-2000)}\n${stderr}`).toBe(0);
    for (const line of stdout.split("\n").filter((one) => one.startsWith('{"'))) {
      const { name, samples } = JSON.parse(line) as { name: string; samples?: Sample[] };
      if (samples) traces.set(name, samples);
    }
  });

  for (const name of CONTROLS)
    it(`${name} on a path with a delay`, async ({ skip: skipped }) => {
      const samples = traces.get(name)!;
      const trouble = disturbed(FAR, samples);
      if (trouble) return skipped(trouble);
      const { [name]: ours } = await load(new URL(`../../programs/${name}.ts`, import.meta.url));
      const found = distance(traceOfRun(simulated(ours, FAR)), traceOfSamples(samples), FAR.settle);
      for (const [what, most] of Object.entries(WITHIN))
        expect(found[what as keyof typeof WITHIN], JSON.stringify(found)).toBeLessThan(most);
    });
});
