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

/** How much of the data each link carries, headers and what is sent again included: at least, and at most. */
const SHARES: Readonly<Record<SchedulerName, { readonly first: [number, number]; readonly second: [number, number] }>> =
  {
    first: { first: [1, 4], second: [0, 0.3] },
    backup: { first: [0, 4], second: [0, 4] },
    "round-robin": { first: [0.2, 2], second: [0.2, 2] },
    redundant: { first: [0.8, 4], second: [0.8, 4] },
    burst: { first: [0, 4], second: [0, 4] },
    weighted: { first: [0.3, 2], second: [0.3, 2] },
    "by-dscp": { first: [0, 4], second: [0, 4] },
  };

describe.skipIf(skip)(skip ? `packet schedulers (skipped: ${skip})` : "packet schedulers", () => {
  it("are taken, chosen, and send over the links that they choose", async (test) => {
    const folder = mkdtempSync(join(repository, "node_modules/.cache/tsbpf-schedulers-"));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    for (const name of Object.keys(SCHEDULERS))
      writeFileSync(join(folder, `${name}.o`), writeObject(compileProgram(name, "patched").module!));
    const { code, stdout, stderr } = runInVm(["node", await bundleScenario("schedulers"), folder]);
    expect(code, `${stdout}\n${stderr}`).toBe(0);
    const lines = stdout.split("\n").filter((line) => line.startsWith('{"'));
    const found = new Map(lines.map((line) => JSON.parse(line) as SchedulerFinding).map((one) => [one.name, one]));
    expect(found.get("error")).toBeUndefined();
    if (found.has("lacking")) return test.skip("the patched kernel of the cache takes no schedulers");
    for (const name of Object.keys(SCHEDULERS) as SchedulerName[]) {
      const one = found.get(name)!;
      expect(one, name).toMatchObject({ listed: true, intact: true, gone: true });
      for (const link of ["first", "second"] as const) {
        const [least, most] = SHARES[name][link];
        expect(one[link] / SENT, `${name}, ${link} link`).toBeGreaterThanOrEqual(least);
        expect(one[link] / SENT, `${name}, ${link} link`).toBeLessThanOrEqual(most);
      }
    }
  });
});
