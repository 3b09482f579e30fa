/**
 * The congestion controls in C that bench:cc measures ours beside (tests/bench/c) do the same: clang's objects in the virtual machine, over the same paths,
 * to the last bit.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { load, type CongestionControlUnderTest } from "tsbpf/testing";
import { afterAll, describe, expect, test } from "vitest";
import { congestionParts } from "../../runtime/testing/congestion-view.ts";
import { CLANGS, cFile, compileC, hasClang } from "../bench/clang.ts";
import { bundled, simulate } from "./fixture.ts";

type Options = Parameters<typeof simulate>[0];
/** What is to be the same, by path and flow: losses, marks, an application that pauses, a peer that refuses ECN. */
const RUNS: Readonly<
  Record<string, Pick<Options, "path"> & { readonly flow?: Omit<Options["flows"][number], "congestionControl"> }>
> = {
  "a queue that overflows": { path: { queue: 27 } },
  "random losses": { path: { queue: 60, loss: 0.002 } },
  "a long way": { path: { rate: "20mbit", delay: "60ms", queue: 100 } },
  marks: { path: { queue: 200, ecn: 12 }, flow: { ecn: true } },
  "no ECN": { path: { queue: 40, ecn: 12 }, flow: { ecn: false } },
  pauses: {
    path: { queue: 27 },
    flow: { writes: Array.from({ length: 5 }, (_, at) => ({ at: `${at * 700}ms` as const, bytes: 200_000 })) },
  },
};

/** Instructions that all of its handlers have executed in simulations. */
const executed = (control: object): number => congestionParts(control)!.shared.steps.total!;

const folder = mkdtempSync(join(tmpdir(), "tsbpf-twins-"));
afterAll(() => rmSync(folder, { recursive: true }));

describe.each(["cubic", "dctcp"] as const)("%s", (name) => {
  describe.each(CLANGS)("%s", (clang) => {
    // The others' code is another, of the same source: one path will do.
    const runs = clang === CLANGS.find(hasClang) ? Object.entries(RUNS) : Object.entries(RUNS).slice(0, 1);
    const skip = hasClang(clang) ? undefined : ` (skipped: ${clang} is not here)`;
    test.skipIf(skip).each(runs)(`%s${skip ?? ""}`, async (_, { path, flow }) => {
      const file = join(folder, `${clang}-${name}.o`) as `${string}.o`;
      writeFileSync(file, compileC(cFile(name), clang, "v3", "mainline"));
      const twin = (await load(file))[name]!;
      const run = (congestionControl: CongestionControlUnderTest<unknown>) =>
        simulate({ duration: "4s", ...(path ? { path } : {}), flows: [{ congestionControl, ...flow }] });
      const mine = await bundled(name);
      const [ours, theirs] = [run(mine), run(twin)];
      expect(theirs.flows[0]!.calls).toEqual(ours.flows[0]!.calls);
      expect(theirs.flows[0]!.cwnd).toEqual(ours.flows[0]!.cwnd);
      expect(theirs.flows[0]!.ssthresh).toEqual(ours.flows[0]!.ssthresh);
      expect(theirs.queue).toEqual(ours.queue);
      // Nanoseconds want a quiet machine; instructions are counted anywhere.
      expect(executed(mine)).toBeLessThanOrEqual(executed(twin));
    });
  });
});

const asking = (setting: string): string => `#include "${cFile("congestion").replace(/\.c$/, ".h")}"
char LICENSE[] SEC("license") = "GPL";
extern unsigned long ${setting} __kconfig;
OPS(ssthresh) __u32 BPF_PROG(mine_ssthresh, struct sock *sk) { return ${setting}; }
OPS(cong_avoid) void BPF_PROG(mine_cong_avoid, struct sock *sk, __u32 ack, __u32 acked) {}
OPS(undo_cwnd) __u32 BPF_PROG(mine_undo_cwnd, struct sock *sk) { return tcp_reno_undo_cwnd(sk); }
SEC(".struct_ops") struct tcp_congestion_ops mine = {
	.ssthresh = (void *)mine_ssthresh, .cong_avoid = (void *)mine_cong_avoid, .undo_cwnd = (void *)mine_undo_cwnd, .name = "c_mine",
};`;
const clang = CLANGS.find(hasClang);
test.skipIf(!clang)(
  `an object is told the model's settings, and which it does not have${clang ? "" : " (skipped: no clang)"}`,
  async () => {
    const made = async (setting: string) => {
      const [source, object] = [join(folder, `${setting}.c`), join(folder, `${setting}.o`)];
      writeFileSync(source, asking(setting));
      writeFileSync(object, compileC(source, clang!, "v3", "mainline"));
      return load(object as `${string}.o`);
    };
    const { mine } = await made("CONFIG_HZ");
    expect(mine!.ssthresh(mine!.socket())).toBe(250);
    await expect(made("CONFIG_NOT_HERE")).rejects.toThrow(/CONFIG_NOT_HERE is not defined in this object/);
  },
);

test("what an object lacks for the machine is said", async () => {
  const file = join(folder, "broken.o") as `${string}.o`;
  writeFileSync(file, "no object");
  await expect(load(file)).rejects.toThrow(/broken\.o: /);
});
