/** Packet schedulers on the patched kernel: taken by its verifier, chosen by sessions, and seen on the links. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { writeObject } from "../../compiler/object/write.ts";
import { compileProgram } from "../programs.ts";
import { repository } from "../runtime/repository.ts";
import { cachedKernel, missingTool, runInVm } from "./kernel.ts";
import { bundleScenario } from "./runtime/bundle.ts";
import { SCHEDULERS, SENT, type SchedulerFinding, type SchedulerName } from "./runtime/scheduler-table.ts";

const kernel = cachedKernel();
const skip = kernel.missing ?? missingTool("qemu-system-x86_64", "ip", "nsenter");

/** What of the data each link carries, headers and retransmissions aside: at least, and at most. */
const SHARES: Readonly<
  Record<SchedulerName, readonly [first: readonly [number, number], second: readonly [number, number]]>
> = {
  first: [
    [1, 1.3],
    [0, 0.1],
  ],
  backup: [
    [0, 1.3],
    [0, 1.3],
  ],
  "round-robin": [
    [0.2, 0.9],
    [0.2, 0.9],
  ],
  redundant: [
    [0.8, 1.3],
    [0.5, 1.3],
  ],
  burst: [
    [0, 1.3],
    [0, 1.3],
  ],
  weighted: [
    [0.3, 0.8],
    [0.3, 0.8],
  ],
  "by-dscp": [
    [0, 1.3],
    [0, 1.3],
  ],
};

describe.skipIf(skip)(skip ? `packet schedulers (skipped: ${skip})` : "packet schedulers", () => {
  it("are taken, chosen, and send over the links that they choose", async () => {
    const folder = mkdtempSync(join(repository, "node_modules/.cache/tsbpf-schedulers-"));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    for (const name of Object.keys(SCHEDULERS))
      writeFileSync(join(folder, `${name}.o`), writeObject(compileProgram(name, "patched").module!));
    const { code, stdout, stderr } = runInVm(["node", await bundleScenario("schedulers"), folder]);
    expect(code, `${stdout}\n${stderr}`).toBe(0);
    const lines = stdout.split("\n").filter((line) => line.startsWith('{"'));
    const found = new Map(lines.map((line) => JSON.parse(line) as SchedulerFinding).map((one) => [one.name, one]));
    expect(found.get("error")).toBeUndefined();
    for (const name of Object.keys(SCHEDULERS) as SchedulerName[]) {
      const one = found.get(name)!;
      expect(one, name).toMatchObject({ listed: true, intact: true, gone: true });
      for (const [link, [least, most]] of [
        [one.first, SHARES[name][0]],
        [one.second, SHARES[name][1]],
      ] as const) {
        expect(link / SENT, name).toBeGreaterThanOrEqual(least);
        expect(link / SENT, name).toBeLessThanOrEqual(most);
      }
    }
  });
});
