// 100,000 sessions, half of them reset: the daemon's own code with a kernel made of tables, and what it holds of them.
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, it, vi } from "vitest";
import { startDaemon, type Daemon, type DaemonOptions } from "../../runtime/mptcp/netlink-daemon.ts";
import type { DiagSession } from "../../runtime/mptcp/sock-diag.ts";
import { compiled } from "./compiled.ts";
import { event, kernel, local } from "./kernel-of-tables.ts";
import { until } from "./lab.ts";

const PATIENCE = 120_000;
const COUNTING = `
import { ArrayMap, license, u64 } from "tsbpf";
import { pathManager } from "tsbpf/mptcp";
license("GPL");
/** Sessions begun, ended, told of an address. */
export const told = new ArrayMap({ value: u64, maxEntries: 3 });
export const counting = pathManager({
  newSession() { const one = told.ref(0); if (one) one.value += 1n; },
  closeSession() { const one = told.ref(1); if (one) one.value += 1n; },
  addLocalAddress() { const one = told.ref(2); if (one) one.value += 1n; },
});
`;

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;
const held = (): number => {
  collect();
  const { heapUsed, external, arrayBuffers } = process.memoryUsage();
  return heapUsed + external + arrayBuffers;
};
const told = (daemon: Daemon, slot: number): number => {
  const [value] = daemon.machine.maps.get("told")!.read(new Uint8Array([slot, 0, 0, 0]))!;
  return Number(new DataView(value!.buffer, value!.byteOffset).getBigUint64(0, true));
};
const settled = (daemon: Daemon) => until("all is told", () => daemon.waiting === 0, PATIENCE);
const start = (options: DaemonOptions = {}) => {
  const world = kernel();
  const program = compiled("counting", "patched", COUNTING);
  return { world, daemon: startDaemon(program, world.doors, { surveySeconds: 3600, ...options }) };
};

describe("many sessions", () => {
  it(
    "of 100,000 half are reset: none of the dead is told of an address, none is kept",
    { timeout: PATIENCE * 2 },
    async () => {
      const { world, daemon } = start();
      const empty = held();
      for (let token = 1; token <= 100_000; token++) world.open(token);
      expect(daemon.sessions.size).toBe(100_000);
      const full = held();
      // What one session with one subflow costs, and what the daemon gives back.
      expect((full - empty) / 100_000).toBeLessThan(4096);
      for (let token = 1; token <= 100_000; token += 2) world.reset(token);
      expect(daemon.sessions.size).toBe(100_000);
      world.addAddress();
      await settled(daemon);
      expect(daemon.sessions.size).toBe(50_000);
      expect([0, 1, 2].map((slot) => told(daemon, slot))).toEqual([100_000, 50_000, 50_000]);
      for (const token of world.sessions.keys()) world.reset(token);
      world.addAddress();
      await settled(daemon);
      expect(daemon.sessions.size).toBe(0);
      expect(told(daemon, 2)).toBe(50_000);
      // Nothing of them stays: a tenth of what they took is left for what the engine keeps.
      expect(held() - empty).toBeLessThan((full - empty) / 10);
      daemon.close();
    },
  );

  it("what began during an overrun is found, what ended is ended", async () => {
    const { world, daemon } = start();
    for (let token = 1; token <= 1000; token++) world.open(token);
    for (let token = 1; token <= 500; token++) world.reset(token);
    for (let token = 1001; token <= 15_000; token++) world.open(token, true);
    world.lose();
    await until("the survey", () => daemon.sessions.size === 14_500 && daemon.waiting === 0, PATIENCE);
    expect([0, 1].map((slot) => told(daemon, slot))).toEqual([15_000, 500]);
    expect(daemon.counts).toMatchObject({ found: 14_000, lost: 500 });
    // An event that was on its way meanwhile says nothing new.
    world.tell(event("created", 2000));
    world.tell(event("established", 2000));
    world.tell(event("closed", 1));
    expect([0, 1].map((slot) => told(daemon, slot))).toEqual([15_000, 500]);
    daemon.close();
  });

  it.each([
    ["10 seconds", 0, 11_000],
    ["300 seconds, where a look takes a minute", 60_000, 301_000],
  ])("an end that was lost while the kernel still listed the session is found after %s", (_when, took, within) => {
    vi.useFakeTimers();
    let spent = 0;
    const now = performance.now.bind(performance);
    const clock = vi.spyOn(performance, "now").mockImplementation(() => now() + spent);
    try {
      const world = kernel();
      const list = world.doors.diag.sessions;
      let looks = 0;
      Object.assign(world.doors.diag, {
        sessions: (each: (session: DiagSession) => void) => {
          looks++;
          spent += took;
          list(each);
        },
      });
      const daemon = startDaemon(compiled("counting", "patched", COUNTING), world.doors);
      world.open(1);
      world.open(2);
      world.lose();
      vi.advanceTimersByTime(301_000);
      expect(looks).toBeGreaterThan(1);
      expect(told(daemon, 1)).toBe(0);
      // The event was among the lost ones; the kernel takes the session off its list only now.
      world.reset(1);
      vi.advanceTimersByTime(within);
      expect(told(daemon, 1)).toBe(1);
      expect([...daemon.sessions.keys()]).toEqual([2]);
      daemon.close();
    } finally {
      clock.mockRestore();
      vi.useRealTimers();
    }
  });

  it("an event of a session comes after what waits for it", async () => {
    const { world, daemon } = start();
    for (let token = 1; token <= 20_000; token++) world.open(token);
    world.addAddress();
    expect(daemon.waiting).toBeGreaterThan(0);
    world.tell(event("closed", 20_000));
    // It heard of the address before its end, though its turn had not come.
    expect(told(daemon, 1)).toBe(1);
    await settled(daemon);
    expect(told(daemon, 2)).toBe(20_000);
    daemon.close();
  });

  it("a token given again begins anew", () => {
    const { world, daemon } = start();
    world.open(7);
    world.tell(event("created", 7, { local: { bytes: local.bytes, port: 999 } }));
    expect([0, 1].map((slot) => told(daemon, slot))).toEqual([2, 1]);
    expect(daemon.sessions.get(7)).toMatchObject({ established: false, local: { port: 999 } });
    daemon.close();
  });

  it("holds no more sessions than it may, and takes further ones when there is room", async () => {
    const warnings: string[] = [];
    const { world, daemon } = start({
      limits: { sessions: 100, subflows: 4, subflowsInAll: 1000 },
      report: (report) => (report.kind === "warning" ? warnings.push(report.text) : undefined),
    });
    for (let token = 1; token <= 500; token++) world.open(token);
    expect(daemon.sessions.size).toBe(100);
    expect(warnings).toEqual(["more than 100 sessions are open: those beyond that number are left alone"]);
    for (let token = 1; token <= 60; token++) world.reset(token);
    world.lose();
    await until("the survey", () => told(daemon, 1) === 60 && daemon.waiting === 0, PATIENCE);
    world.lose();
    await until("there is room, and it is used", () => daemon.sessions.size === 100, PATIENCE);
    daemon.close();
  });

  it("holds no more subflows of a session than it may, refused ones included", () => {
    const { world, daemon } = start({ limits: { sessions: 100, subflows: 4, subflowsInAll: 6 } });
    world.open(1);
    for (let port = 1; port <= 1000; port++)
      world.tell(event("subflowEstablished", 1, { local: { bytes: local.bytes, port } }));
    expect(daemon.sessions.get(1)!.subflows.size).toBe(4);
    world.open(2);
    for (let port = 1; port <= 1000; port++)
      world.tell(event("subflowEstablished", 2, { local: { bytes: local.bytes, port } }));
    expect(daemon.sessions.get(2)!.subflows.size).toBe(2);
    world.tell(event("closed", 1));
    world.tell(event("subflowEstablished", 2, { local: { bytes: local.bytes, port: 5000 } }));
    expect(daemon.sessions.get(2)!.subflows.size).toBe(3);
    daemon.close();
  });
});
