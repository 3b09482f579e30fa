/**
 * The simulator beside this machine's kernel, on the same path: how far their windows are from each other, as fidelity/distance.ts measures it. All delay
 * is in the bottleneck's queue, which takes no netem; tests/kernel/fidelity.test.ts has paths that are long.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { RingBufUnderTest } from "tsbpf/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadModule } from "../../runtime/kernel/load.ts";
import { probe } from "../../runtime/kernel/probe.ts";
import { load } from "../../runtime/testing/load.ts";
import { named, NOTED, type Call } from "../simulator/noted.ts";
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

/** The kernel's own by name, and ours. A period of cubic's varies more from one to the next: its curve depends on the loss before. */
const CONTROLS = {
  reno: { path: NEAR, within: WITHIN },
  cubic: { path: { ...NEAR, seconds: 30 }, within: { ...WITHIN, period: 0.08 } },
} as const;
type Name = keyof typeof CONTROLS;

describe.skipIf(skip)(`windows in the simulator and in this kernel${skip ? ` (skipped: ${skip})` : ""}`, () => {
  let lab: Lab;
  beforeAll(() => void (lab = openLab()));
  afterAll(() => lab?.close());

  const compare = async (name: Name, congestion: string, skipped: (reason: string) => void): Promise<void> => {
    const { path, within } = CONTROLS[name];
    const samples = await traceKernel(lab, path, congestion);
    const trouble = disturbed(path, samples);
    if (trouble) return skipped(trouble);
    const { [name]: ours } = await load(new URL(`../../programs/${name}.ts`, import.meta.url));
    const found = distance(traceOfRun(simulated(ours, path)), traceOfSamples(samples), path.settle);
    for (const [what, most] of Object.entries(within))
      expect(found[what as keyof typeof WITHIN], JSON.stringify(found)).toBeLessThan(most);
    expect(Math.min(...found.epochs)).toBeGreaterThanOrEqual(3);
  };

  for (const name of Object.keys(CONTROLS) as Name[]) {
    it(`the kernel's own ${name}`, ({ skip: skipped }) => compare(name, name, skipped));

    it(`ts_${name}: the same object in both`, async ({ skip: skipped }) => {
      const object = loadModule(compiled(name, "mainline"), { name: `fidelity_${name}` });
      try {
        object.register();
        await compare(name, `ts_${name}`, skipped);
      } finally {
        object.close();
      }
    });
  }

  it("handlers are called in the same order: at the beginning, at a loss, at the end of a recovery", async () => {
    const path = { ...NEAR, seconds: 4 };
    const file = join(mkdtempSync(join(tmpdir(), "tsbpf-fidelity-")), "noted.ts");
    lab.defer(() => rmSync(dirname(file), { recursive: true }));
    writeFileSync(file, NOTED);
    const { mine, calls } = await load(file);
    simulated(mine, path);
    const ours = (calls as RingBufUnderTest<Call>).records();

    const object = loadModule(compiled("noted", "mainline", NOTED), { name: "noted" });
    const kernels: Call[] = [];
    try {
      object.register();
      await traceKernel(lab, path, "ts_noted");
      for await (const batch of object.rings["calls"]!.stream().batches()) {
        kernels.push(...(batch as unknown as readonly Call[]));
        if (kernels.some(({ handler }) => named(handler) === "release")) break;
      }
    } finally {
      object.close();
    }
    const [model, kernel] = [ours, kernels].map(turningPoints);
    expect(model).toEqual(kernel);
    expect(kernel!.beginning).toEqual([
      "pktsAcked",
      "inAckEvent",
      "init",
      "cwndEvent 0",
      "pktsAcked",
      "inAckEvent",
      "congAvoid",
    ]);
  });
});

/** Calls without what depends on when acknowledgements come; the send buffer's is not made where the application has set its size. */
function turningPoints(calls: readonly Call[]): Record<"beginning" | "loss" | "recovered", string[]> {
  const words = calls
    .map(({ handler, argument }) =>
      named(handler) === "setState" || named(handler) === "cwndEvent"
        ? `${named(handler)} ${argument}`
        : named(handler),
    )
    .filter((word) => word !== "sndbufExpand");
  const loss = words.indexOf("ssthresh");
  const recovered = words.indexOf("cwndEvent 2");
  return {
    beginning: words.slice(0, 7),
    loss: words.slice(loss - 3, loss + 4),
    recovered: words.slice(recovered - 3, recovered + 2),
  };
}
