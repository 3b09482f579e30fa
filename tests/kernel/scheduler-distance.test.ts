/**
 * The simulator's sessions beside the patched kernel's, over the same two unequal links: how each scheduler shares the bytes, and how long all take.
 * The kernel's clock counts instructions, so that what else this machine does is not in its figures. It takes minutes, and is asked for by
 * TSBPF_KERNEL_FIDELITY=1.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { writeObject } from "../../compiler/object/write.ts";
import { load } from "../../runtime/testing/load.ts";
import { simulateSessions } from "../../runtime/testing/simulator/sessions/simulate.ts";
import { compileProgram } from "../programs.ts";
import { repository } from "../runtime/repository.ts";
import { cachedKernel, missingTool, runInVm } from "./kernel.ts";
import { bundleScenario } from "./runtime/bundle.ts";
import { SCHEDULERS, SHAPE, type SchedulerName, type ShapeFinding } from "./runtime/scheduler-table.ts";

const unasked =
  process.env["TSBPF_KERNEL_FIDELITY"] === "1" ? undefined : "takes minutes; TSBPF_KERNEL_FIDELITY=1 runs it";
const skip = cachedKernel().missing ?? unasked ?? missingTool("qemu-system-x86_64", "ip", "nsenter", "tc");
/** How far the first link's part of the bytes, and the time, may be from the kernel's. */
const MOST = { share: 0.02, seconds: 0.1 } as const;
/** Headers of a full segment: Ethernet, IPv4, TCP with timestamps and a mapping. */
const OVERHEAD = 14 + 72;

async function simulated(name: SchedulerName): Promise<ShapeFinding> {
  const module = await load(join(repository, "programs", `${name}.ts`));
  const scheduler = Object.values(module).find((one) => typeof one === "object" && one !== null && "getSend" in one);
  const run = simulateSessions({
    duration: "60s",
    paths: SHAPE.links.map(({ rateMbit, delayMs, queue }) => ({
      rate: `${rateMbit}mbit` as const,
      delay: `${delayMs / 2}ms` as const,
      queue,
      overhead: OVERHEAD,
    })),
    sessions: [
      {
        scheduler,
        writes: [
          { at: "0s", bytes: SHAPE.first },
          { at: "1s", bytes: SHAPE.bytes },
        ],
      },
    ],
  });
  const [session] = run.sessions;
  const bytes = session!.subflows.map(({ sent }) => sent.at(-1)! * ((1428 + OVERHEAD) / 1428));
  return { name, bytes, seconds: session!.finished! - 1 };
}
const share = ({ bytes: [first = 0, second = 0] }: ShapeFinding): number => first / (first + second);

describe.skipIf(skip)(skip ? `schedulers' shares (skipped: ${skip})` : "schedulers' shares", () => {
  it("are the kernel's in the simulator", async (test) => {
    const folder = mkdtempSync(join(repository, "node_modules/.cache/tsbpf-schedulers-"));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    for (const name of Object.keys(SCHEDULERS))
      writeFileSync(join(folder, `${name}.o`), writeObject(compileProgram(name, "patched").module!));
    const { code, stdout, stderr } = runInVm(
      ["--icount", "node", await bundleScenario("scheduler-shape"), folder],
      1800,
    );
    const found = stdout
      .split("\n")
      .filter((line) => line.startsWith('{"'))
      .map((line) => JSON.parse(line) as ShapeFinding);
    expect(code, `${stdout}\n${stderr}`).toBe(0);
    if (found.some(({ name }) => name === "lacking"))
      return test.skip("the patched kernel of the cache takes no schedulers");
    for (const kernel of found) {
      const model = await simulated(kernel.name as SchedulerName);
      const shown = ({ bytes, seconds }: ShapeFinding): string =>
        `${bytes.map((one) => Math.round(one / 1000)).join(" + ")} kB in ${seconds.toFixed(2)} s`;
      process.stdout.write(`${kernel.name}: kernel ${shown(kernel)}, simulator ${shown(model)}\n`);
      expect(Math.abs(share(model) - share(kernel)), `${kernel.name}, share`).toBeLessThanOrEqual(MOST.share);
      expect(Math.abs(model.seconds / kernel.seconds - 1), `${kernel.name}, time`).toBeLessThanOrEqual(MOST.seconds);
    }
  });
});
