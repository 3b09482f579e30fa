// What events do not tell: sessions that are reset, lost in an overrun, or open at the start, on the machine's own kernel.
import { existsSync } from "node:fs";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { startNetlinkBackend, type NetlinkBackend, type NetlinkReport } from "../../runtime/mptcp/netlink-backend.ts";
import { openSessions } from "../../runtime/mptcp/sock-diag.ts";
import { compiled } from "./compiled.ts";
import { openLab, pause, until, whyNot, type Lab, type Peer } from "./lab.ts";

const noMptcp =
  existsSync("/proc/sys/net/mptcp/path_manager") || existsSync("/proc/sys/net/mptcp/pm_type")
    ? undefined
    : "no MPTCP netlink path manager";
const skip = whyNot() ?? noMptcp;
const HOUR = 3600;
const PATIENCE = 30_000;

describe.skipIf(skip)(skip ? `sessions without events (skipped: ${skip})` : "sessions without events", () => {
  let lab: Lab;
  let client: Peer;
  let server: Peer;
  let c: string;
  let port = 7800;
  let backend: NetlinkBackend | undefined;
  let reports: NetlinkReport[] = [];

  beforeAll(async () => {
    lab = openLab();
    c = lab.netns("c");
    const s = lab.netns("s");
    lab.wire(c, "v0", ["10.1.0.1/16"], s, "v0", ["10.1.0.2/16"]);
    lab.wire(c, "v1", ["10.2.0.1/24"], s, "v1", ["10.2.0.2/24"]);
    for (const net of [c, s])
      for (const device of ["all", "v0", "v1"]) lab.inside(net, "sysctl", "-qw", `net.ipv4.conf.${device}.rp_filter=0`);
    lab.inside(s, "ip", "mptcp", "limits", "set", "subflow", "8", "add_addr_accepted", "8");
    lab.inside(s, "sysctl", "-qw", "net.core.somaxconn=8192");
    client = await lab.peer(c);
    server = await lab.peer(s);
  });
  afterAll(() => lab?.close());
  afterEach(async () => {
    backend?.close();
    backend = undefined;
    reports = [];
    await client.call("letGo");
    lab.inside(c, "sysctl", "-qw", "net.mptcp.pm_type=0");
    await until("the sessions are over", () => openSessions(c).length === 0, PATIENCE);
  });

  const start = (program: string, more: Parameters<typeof startNetlinkBackend>[1] = {}): NetlinkBackend =>
    (backend = startNetlinkBackend(
      program === "watcher" ? compiled("watcher", undefined, WATCHER) : compiled(program),
      { netns: c, report: (one) => reports.push(one), ...more },
    ));
  const told = (event: string): number =>
    reports.filter((report) => report.kind === "event" && report.event === event).length;
  const burst = async (count: number): Promise<void> => {
    port++;
    await server.call("listen", { protocol: "mptcp", host: "0.0.0.0", port });
    const before = server.accepted.length;
    await client.call("burst", { protocol: "mptcp", host: "10.1.0.2", port, count });
    await until("all are accepted", () => server.accepted.length === before + count, PATIENCE);
  };
  const subflowsOf = (): string[][] =>
    openSessions(c).map((session) => session.subflows.map((one) => one.from.replace(/:\d+$/, "")).toSorted());

  it("an address change reaches the living alone, when half of 2,000 sessions were reset by their peer", async () => {
    start("watcher", { surveySeconds: HOUR });
    await burst(2000);
    await until("all are heard of", () => backend!.sessions.size === 2000, PATIENCE);
    expect(await server.call("resetAll", { port, step: 2 })).toBe(1000);
    await until("the kernel has ended them", () => openSessions(c, "any state").length === 1000, PATIENCE);
    // The kernel says nothing of that: this is what the survey is for.
    expect(backend!.sessions.size).toBe(2000);
    lab.ip(c, "addr", "add", "10.9.0.1/32", "dev", "v1");
    try {
      await until("the change is told", () => told("MptcpAddLocalAddress") >= 1000 && backend!.waiting === 0, PATIENCE);
      expect(told("MptcpAddLocalAddress")).toBe(1000);
      expect(told("MptcpCloseSession")).toBe(1000);
      expect(backend!.sessions.size).toBe(1000);
      expect(backend!.counts).toMatchObject({ lost: 1000, found: 0 });
    } finally {
      lab.ip(c, "addr", "del", "10.9.0.1/32", "dev", "v1");
    }
  });

  it("time finds them as well", async () => {
    start("watcher", { surveySeconds: 0.2 });
    await burst(100);
    await until("all are heard of", () => backend!.sessions.size === 100, PATIENCE);
    await server.call("resetAll", { port });
    await until("they are forgotten", () => backend!.sessions.size === 0, PATIENCE);
    expect(told("MptcpCloseSession")).toBe(100);
    // A look may come before the kernel's word of a session is read; then it is found by it.
    expect(backend!.counts).toMatchObject({ lost: 100 });
  });

  it("after an overrun every session is managed", async () => {
    // The smallest that the kernel gives; the time in which nobody reads is that of the whole burst.
    start("fullmesh", { surveySeconds: HOUR, receiveBuffer: 1 });
    // A burst that is over before the stop begins loses nothing, and there is another one.
    let opened = 0;
    while (backend!.overruns === 0 && opened < 900) {
      const opening = burst(300);
      await until("it has begun", () => backend!.sessions.size > opened, PATIENCE);
      opened += 300;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3000);
      await opening;
      await until("all are known", () => backend!.sessions.size === opened, PATIENCE);
    }
    expect(backend!.overruns).toBeGreaterThan(0);
    expect(backend!.counts.found).toBeGreaterThan(0);
    await until("all have their mesh", () => subflowsOf().every((one) => one.length === 2), PATIENCE).catch(() => 0);
    expect(subflowsOf()).toEqual(new Array(opened).fill(["10.1.0.1", "10.2.0.1"]));
    expect(reports.find((one) => one.kind === "warning")).toMatchObject({
      text: expect.stringContaining("the kernel dropped MPTCP events"),
    });
    // It hears on: what comes after needs no survey.
    const { found } = backend!.counts;
    await burst(1);
    await until("another one", () => backend!.sessions.size === opened + 1, PATIENCE);
    expect(backend!.counts.found - found).toBeLessThan(2);
  });

  it("sessions that are open at the start are managed, and nothing is opened twice", async () => {
    start("fullmesh");
    await burst(3);
    const mesh = ["10.1.0.1", "10.2.0.1"];
    await until("their meshes", () => subflowsOf().every((one) => one.length === 2), PATIENCE);
    backend!.close();
    reports = [];
    start("fullmesh");
    await until("they are known", () => backend!.sessions.size === 3, PATIENCE);
    expect(backend!.counts).toMatchObject({ found: 3, requested: 0 });
    expect(reports).toContainEqual({ kind: "notice", text: "3 MPTCP sessions are open already: managed from now on" });
    await pause(200);
    expect(subflowsOf()).toEqual(new Array(3).fill(mesh));
    // What comes later concerns them like any other.
    lab.ip(c, "addr", "del", "10.2.0.1/24", "dev", "v1");
    try {
      await until("the subflows go", () => subflowsOf().every((one) => one.length === 1), PATIENCE);
    } finally {
      lab.ip(c, "addr", "add", "10.2.0.1/24", "dev", "v1");
    }
    await until("they come back", () => subflowsOf().every((one) => one.length === 2), PATIENCE);
    expect(subflowsOf()).toEqual(new Array(3).fill(mesh));
  });

  it("subflows that are missing at the start are opened", async () => {
    // The choice of user space without anyone there: sessions have one subflow each.
    lab.inside(c, "sysctl", "-qw", "net.mptcp.pm_type=1");
    await burst(2);
    expect(subflowsOf()).toEqual([["10.1.0.1"], ["10.1.0.1"]]);
    start("fullmesh");
    await until("the meshes", () => subflowsOf().every((one) => one.length === 2), PATIENCE);
    expect(backend!.counts).toMatchObject({ found: 2, created: 2 });
  });

  it("those that began under the kernel's path manager stay with it, and this is said", async () => {
    await burst(2);
    start("fullmesh", { surveySeconds: 0.1 });
    await burst(1);
    await until("the new one has its mesh", () => subflowsOf().some((one) => one.length === 2), PATIENCE);
    await pause(500);
    expect(backend!.sessions.size).toBe(1);
    expect(subflowsOf().toSorted((a, b) => a.length - b.length)).toEqual([
      ["10.1.0.1"],
      ["10.1.0.1"],
      ["10.1.0.1", "10.2.0.1"],
    ]);
    expect(reports.filter((one) => one.kind === "warning")).toEqual([
      {
        kind: "warning",
        text: "2 MPTCP sessions are open already, and began under the kernel's path manager: not managed",
      },
    ]);
  });
});

/** Hears of everything, opens nothing. */
const WATCHER = `
import { license } from "tsbpf";
import { pathManager } from "tsbpf/mptcp";
license("GPL");
export const watcher = pathManager({ newSession() {}, closeSession() {}, addLocalAddress() {} });
`;
