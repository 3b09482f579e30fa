/**
 * Packet schedulers of ours on the patched kernel under load: a path dies, they come and go, many sessions have one. TSBPF_SCHED_SESSIONS: how many, 10,000
 * unless given.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { compile } from "../../compiler/compile.ts";
import { writeObject } from "../../compiler/object/write.ts";
import { compileProgram } from "../programs.ts";
import { repository } from "../runtime/repository.ts";
import { cachedKernel, missingTool, runInVm } from "./kernel.ts";
import { bundleScenario } from "./runtime/bundle.ts";
import { SCHEDULERS, type LoadFinding } from "./runtime/scheduler-table.ts";

const kernel = cachedKernel();
const skip = kernel.missing ?? missingTool("qemu-system-x86_64", "ip", "nsenter", "tc");
/**
 * The table of tokens has room by the machine's memory: in 2 GB for some 8,000, which are 4,000 sessions with both ends there, and more go on as TCP. What
 * the machine does not touch the host does not give.
 */
const MEMORY = 12_288;
const SESSIONS = Number(process.env["TSBPF_SCHED_SESSIONS"] ?? 10_000);

/** One subflow after the other, and how often it was asked. */
const COUNTED = `
import { ArrayMap, atomicAdd, license, struct, u64 } from "tsbpf";
import { scheduler } from "tsbpf/mptcp";
license("GPL");
class Counts extends struct({ inits: u64, releases: u64, picks: u64 }) {}
const counts = new ArrayMap({ value: Counts, maxEntries: 1 });
export const counted = scheduler({
  name: "ts_counted",
  init(_session) {
    const all = counts.get(0);
    if (all) atomicAdd(all, "inits", 1n);
  },
  release(_session) {
    const all = counts.get(0);
    if (all) atomicAdd(all, "releases", 1n);
  },
  getSend(session) {
    for (const subflow of session.subflows(8)) {
      if (!subflow.isActive()) continue;
      const all = counts.get(0);
    if (all) atomicAdd(all, "picks", 1n);
      subflow.schedule();
      return true;
    }
    return false;
  },
});
`;

describe.skipIf(skip)(skip ? `schedulers under load (skipped: ${skip})` : "schedulers under load", () => {
  it("bytes go on where a path dies; they come and go; many sessions have one and give it back", async (test) => {
    const folder = mkdtempSync(join(repository, "node_modules/.cache/tsbpf-schedulers-"));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    for (const name of Object.keys(SCHEDULERS))
      writeFileSync(join(folder, `${name}.o`), writeObject(compileProgram(name, "patched").module!));
    const counted = compile({ path: "counted.ts", text: COUNTED });
    expect(counted.diagnostics).toEqual([]);
    writeFileSync(join(folder, "counted.o"), writeObject(counted.module!));
    const command = `ulimit -n 65536; exec node ${await bundleScenario("scheduler-load")} ${folder} ${SESSIONS}`;
    const { code, stdout, stderr } = runInVm(["sh", "-c", command], 1500, MEMORY);
    const found = stdout
      .split("\n")
      .filter((line) => line.startsWith('{"'))
      .map((line) => JSON.parse(line) as LoadFinding);
    // For whoever wants the figures.
    process.stdout.write(`${found.map((one) => JSON.stringify(one)).join("\n")}\n`);
    expect(code, `${stdout}\n${stderr}`).toBe(0);
    if (found.some(({ what }) => what === "lacking"))
      return test.skip("the patched kernel of the cache takes no schedulers");
    const of = <W extends LoadFinding["what"]>(what: W) =>
      found.filter((one): one is Extract<LoadFinding, { what: W }> => one.what === what);
    expect(of("failover").map(({ name, moved }) => ({ name, moved }))).toEqual(
      Object.keys(SCHEDULERS).map((name) => ({ name, moved: true })),
    );
    const [churn] = of("churn");
    expect(churn).toMatchObject({ intact: churn!.sessions, releases: churn!.inits, gone: true });
    expect(churn!.inits).toBeGreaterThanOrEqual(churn!.sessions);
    const [many] = of("many");
    // A session for which the table has no room goes on as TCP; its socket had the scheduler all the same.
    expect(many).toMatchObject({ accepted: many!.opened, releases: many!.inits });
    expect(many!.inits).toBeGreaterThanOrEqual(many!.opened);
    expect(many!.picks).toBeGreaterThanOrEqual(0.9 * many!.opened);
    expect(many!.opened).toBe(SESSIONS);
  });
});
