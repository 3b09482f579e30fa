// Path managers on an unpatched kernel: compiled bytecode in the virtual machine, MPTCP's netlink interface around it.
import { existsSync, readFileSync } from "node:fs";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { LOCAL_ADDRESS, MOST_LOCAL_ADDRESSES } from "../../compiler/local-addresses.ts";
import { inNetns } from "../../runtime/kernel/places.ts";
import { startNetlinkBackend, type NetlinkBackend, type NetlinkReport } from "../../runtime/mptcp/netlink-backend.ts";
import { openSessions } from "../../runtime/mptcp/sock-diag.ts";
import { capture, type Capture } from "./capture.ts";
import { compiled } from "./compiled.ts";
import { openLab, pause, until, whyNot, type Lab, type Peer } from "./lab.ts";
import { SPARE } from "./spare.ts";

const noMptcp =
  existsSync("/proc/sys/net/mptcp/path_manager") || existsSync("/proc/sys/net/mptcp/pm_type")
    ? undefined
    : "no MPTCP netlink path manager";
const skip = whyNot() ?? noMptcp;

describe.skipIf(skip)(skip ? `path managers over netlink (skipped: ${skip})` : "path managers over netlink", () => {
  let lab: Lab;
  let client: Peer;
  let server: Peer;
  let c: string;
  let s: string;
  let wire: Capture;
  let port = 7000;
  let backend: NetlinkBackend | undefined;
  let far: NetlinkBackend | undefined;
  let reports: NetlinkReport[] = [];

  beforeAll(async () => {
    lab = openLab();
    c = lab.netns("c");
    s = lab.netns("s");
    lab.wire(c, "v0", ["10.1.0.1/24", "fd01::1/64"], s, "v0", ["10.1.0.2/24", "fd01::2/64"]);
    lab.wire(c, "v1", ["10.2.0.1/24", "fd02::1/64"], s, "v1", ["10.2.0.2/24", "fd02::2/64"]);
    lab.wire(c, "v2", [], s, "v2", []);
    for (const net of [c, s]) {
      // A mesh crosses the wires: answers may come in on another interface than the requests went out.
      for (const device of ["all", "v0", "v1", "v2"])
        lab.inside(net, "sysctl", "-qw", `net.ipv4.conf.${device}.rp_filter=0`);
      lab.inside(net, "ip", "mptcp", "limits", "set", "subflow", "8", "add_addr_accepted", "8");
    }
    client = await lab.peer(c);
    server = await lab.peer(s);
  });
  afterAll(() => lab?.close());
  beforeEach(() => {
    reports = [];
    wire = capture(c);
  });
  afterEach(() => {
    backend?.close();
    backend = undefined;
    far?.close();
    far = undefined;
    wire.stop();
    lab.inside(s, "ip", "mptcp", "endpoint", "flush");
  });

  const start = (program: string, params: Record<string, unknown> = {}, text?: string): NetlinkBackend =>
    (backend = startNetlinkBackend(compiled(program, undefined, text), {
      netns: c,
      params,
      report: (report) => reports.push(report),
    }));
  const announce = (address: string, device: string): void =>
    void lab.inside(s, "ip", "mptcp", "endpoint", "add", address, "dev", device, "signal");
  const connect = async (host = "10.1.0.2"): Promise<{ id: number; accepted: number; port: number }> => {
    port++;
    await server.call("listen", { protocol: "mptcp", host: host.includes(":") ? "::" : "0.0.0.0", port });
    const before = server.accepted.length;
    const id = await client.call<number>("connect", { protocol: "mptcp", host, port });
    await client.call("send", { id, length: 100 });
    await until("the connection is accepted", () => server.accepted.length > before);
    return { id, accepted: server.accepted.at(-1)!, port };
  };
  /** Pairs of addresses of a session's subflows, as the kernel lists them, sorted. */
  const pairs = (port: number): string[] =>
    openSessions(c)
      .filter((session) => session.to.endsWith(`:${port}`))
      .flatMap((session) =>
        session.subflows.map((subflow) => `${subflow.from.replace(/:\d+$/, "")} ${subflow.to.replace(/:\d+$/, "")}`),
      )
      .toSorted();
  /** What `ss` counts, which is other code than ours. */
  const listed = (port: number): number =>
    lab.inside(c, "ss", "-tnH", "state", "established", `( dport = :${port} )`).split("\n").filter(Boolean).length;
  const joins = (port: number): number =>
    wire.segments.filter(
      (one) =>
        one.destinationPort === port &&
        one.syn &&
        !one.ack &&
        one.options.some((option) => option.hex.startsWith("1e0c1")),
    ).length;
  const settled = async (port: number, wanted: readonly string[]): Promise<void> => {
    try {
      await until("the mesh", () => JSON.stringify(pairs(port)) === JSON.stringify(wanted.toSorted()));
    } catch {
      expect(pairs(port)).toEqual(wanted.toSorted());
    }
    // It must stay so: a subflow too many would come late.
    await pause(100);
    expect(pairs(port)).toEqual(wanted.toSorted());
    expect(listed(port)).toBe(wanted.length);
  };
  const intact = async (id: number, accepted: number): Promise<void> => {
    const before = await server.call<{ received: number }>("state", { id: accepted });
    await client.call("send", { id, length: 1_000_000, seed: 7 });
    await until(
      "all data is there",
      async () =>
        (await server.call<{ received: number }>("state", { id: accepted })).received === before.received + 1_000_000,
    );
    // The hashes run over all that was ever sent and received on this connection.
    const { sent } = await client.call<{ sent: string }>("state", { id });
    expect((await server.call<{ hash: string }>("state", { id: accepted })).hash).toBe(sent);
  };
  const close = async (id: number): Promise<void> => {
    await client.call("close", { id });
    await until("the session is forgotten", () => backend!.sessions.size === 0);
  };
  const mesh = (from: readonly string[], to: readonly string[]): string[] =>
    from.flatMap((one) => to.map((other) => `${one} ${other}`));

  it.each([1, 2, 5])("ndiffports opens exactly %i more subflows, on the same addresses", async (extra) => {
    start("ndiffports", { extraSubflows: extra });
    const { id, accepted, port } = await connect();
    await settled(port, new Array<string>(1 + extra).fill("10.1.0.1 10.1.0.2"));
    expect(joins(port)).toBe(extra);
    await intact(id, accepted);
    await close(id);
  });

  it("ndiffports works over IPv6", async () => {
    start("ndiffports");
    const { id, port } = await connect("fd01::2");
    await settled(port, new Array<string>(3).fill("[fd01::1] [fd01::2]"));
    await close(id);
  });

  it("fullmesh makes a mesh of 2 × 2 addresses, over which the data arrives intact", async () => {
    announce("10.2.0.2", "v1");
    start("fullmesh");
    const { id, accepted, port } = await connect();
    await settled(port, mesh(["10.1.0.1", "10.2.0.1"], ["10.1.0.2", "10.2.0.2"]));
    expect(joins(port)).toBe(3);
    await intact(id, accepted);
    await close(id);
  });

  it("fullmesh makes a mesh of 3 × 2, and follows local addresses for later sessions", async () => {
    announce("10.2.0.2", "v1");
    start("fullmesh");
    lab.ip(c, "addr", "add", "10.3.0.1/24", "dev", "v2");
    lab.ip(s, "addr", "add", "10.3.0.2/24", "dev", "v2");
    await until("the daemon has seen the address", () => locals(backend!).length === 5);
    const one = await connect();
    await settled(one.port, mesh(["10.1.0.1", "10.2.0.1", "10.3.0.1"], ["10.1.0.2", "10.2.0.2"]));
    await close(one.id);
    lab.ip(c, "addr", "del", "10.3.0.1/24", "dev", "v2");
    lab.ip(s, "addr", "del", "10.3.0.2/24", "dev", "v2");
    await until("the daemon has seen it go", () => locals(backend!).length === 4);
    const two = await connect();
    await settled(two.port, mesh(["10.1.0.1", "10.2.0.1"], ["10.1.0.2", "10.2.0.2"]));
    await close(two.id);
  });

  it("fullmesh takes in an address announced late, lets go of a removed one, and takes it back", async () => {
    start("fullmesh");
    const { id, accepted, port } = await connect();
    const small = mesh(["10.1.0.1", "10.2.0.1"], ["10.1.0.2"]);
    const large = mesh(["10.1.0.1", "10.2.0.1"], ["10.1.0.2", "10.2.0.2"]);
    await settled(port, small);
    announce("10.2.0.2", "v1");
    await settled(port, large);
    const endpoint = /id (\d+)/.exec(lab.inside(s, "ip", "mptcp", "endpoint", "show"))![1]!;
    lab.inside(s, "ip", "mptcp", "endpoint", "delete", "id", endpoint);
    await settled(port, small);
    announce("10.2.0.2", "v1");
    await settled(port, large);
    await intact(id, accepted);
    await close(id);
  });

  /** Both ends of the third wire get an address, or lose it. */
  const third = (change: "add" | "del", near: string, there: string): void => {
    const more = near.includes(":") && change === "add" ? ["nodad"] : [];
    lab.ip(s, "addr", change, there, "dev", "v2", ...more);
    lab.ip(c, "addr", change, near, "dev", "v2", ...more);
  };

  it("fullmesh joins a local address that comes late to a session, lets it go, and takes it back", async () => {
    announce("10.2.0.2", "v1");
    start("fullmesh");
    const { id, accepted, port } = await connect();
    const small = mesh(["10.1.0.1", "10.2.0.1"], ["10.1.0.2", "10.2.0.2"]);
    const large = mesh(["10.1.0.1", "10.2.0.1", "10.3.0.1"], ["10.1.0.2", "10.2.0.2"]);
    await settled(port, small);
    third("add", "10.3.0.1/24", "10.3.0.2/24");
    try {
      await settled(port, large);
      await intact(id, accepted);
      lab.ip(c, "addr", "del", "10.3.0.1/24", "dev", "v2");
      await settled(port, small);
      await intact(id, accepted);
      lab.ip(c, "addr", "add", "10.3.0.1/24", "dev", "v2");
      await settled(port, large);
      await intact(id, accepted);
    } finally {
      third("del", "10.3.0.1/24", "10.3.0.2/24");
    }
    await settled(port, small);
    await close(id);
    expect(reports.filter((report) => report.kind === "warning")).toEqual([]);
  });

  it("fullmesh goes on when the address of the first subflow is lost", async () => {
    start("fullmesh");
    const { id, accepted, port } = await connect();
    await settled(port, mesh(["10.1.0.1", "10.2.0.1"], ["10.1.0.2"]));
    lab.ip(c, "addr", "del", "10.1.0.1/24", "dev", "v0");
    try {
      lab.ip(c, "route", "add", "10.1.0.0/24", "dev", "v0");
      await settled(port, mesh(["10.2.0.1"], ["10.1.0.2"]));
      await intact(id, accepted);
    } finally {
      lab.ip(c, "addr", "add", "10.1.0.1/24", "dev", "v0");
    }
    await settled(port, mesh(["10.1.0.1", "10.2.0.1"], ["10.1.0.2"]));
    await intact(id, accepted);
    await close(id);
  });

  it("fullmesh meshes IPv6 addresses among themselves, also those that come and go late", async () => {
    start("fullmesh");
    const { id, accepted, port } = await connect("fd01::2");
    const near = ["[fd01::1]", "[fd02::1]"];
    await settled(port, mesh(near, ["[fd01::2]"]));
    announce("fd02::2", "v1");
    await settled(port, mesh(near, ["[fd01::2]", "[fd02::2]"]));
    third("add", "fd03::1/64", "fd03::2/64");
    try {
      await settled(port, mesh([...near, "[fd03::1]"], ["[fd01::2]", "[fd02::2]"]));
      await intact(id, accepted);
      lab.ip(c, "addr", "del", "fd03::1/64", "dev", "v2");
      await settled(port, mesh(near, ["[fd01::2]", "[fd02::2]"]));
      lab.ip(c, "addr", "add", "fd03::1/64", "dev", "v2", "nodad");
      await settled(port, mesh([...near, "[fd03::1]"], ["[fd01::2]", "[fd02::2]"]));
      await intact(id, accepted);
    } finally {
      third("del", "fd03::1/64", "fd03::2/64");
    }
    await close(id);
  });

  it("fullmesh takes IPv4 in an IPv6 socket for IPv4", async () => {
    announce("10.2.0.2", "v1");
    start("fullmesh");
    const { id, accepted, port } = await connect("::ffff:a01:2");
    // The first subflow is one of the IPv6 socket, and those that joined are of IPv4.
    const [, ...joined] = mesh(["10.1.0.1", "10.2.0.1"], ["10.1.0.2", "10.2.0.2"]);
    await settled(port, ["[::ffff:10.1.0.1] [::ffff:10.1.0.2]", ...joined]);
    await intact(id, accepted);
    await close(id);
  });

  it("thin-connections waits until a connection has carried enough", async () => {
    start("thin-connections", { worthBytes: 50_000, firstLookMs: 50, longestWaitMs: 100 });
    const { id, accepted, port } = await connect();
    await pause(500);
    expect(pairs(port)).toEqual(["10.1.0.1 10.1.0.2"]);
    await intact(id, accepted);
    await settled(port, ["10.1.0.1 10.1.0.2", "10.2.0.1 10.1.0.2"]);
    await close(id);
  });

  it("close-idle takes down what carries nothing", async () => {
    start("both", { idleMs: 500 }, IDLE);
    const { id, accepted, port } = await connect();
    await until("more subflows", () => pairs(port).length === 3);
    await until("they are gone", () => pairs(port).length === 1, 10_000);
    await intact(id, accepted);
    await close(id);
  });

  it("announce-addresses names the server's other addresses, and withdraws what goes", async () => {
    far = startNetlinkBackend(compiled("announce-addresses"), { netns: s });
    start("fullmesh");
    const { id, accepted, port } = await connect();
    await settled(port, mesh(["10.1.0.1", "10.2.0.1"], ["10.1.0.2", "10.2.0.2"]));
    lab.ip(s, "addr", "del", "10.2.0.2/24", "dev", "v1");
    await settled(port, mesh(["10.1.0.1", "10.2.0.1"], ["10.1.0.2"]));
    lab.ip(s, "addr", "add", "10.2.0.2/24", "dev", "v1");
    await settled(port, mesh(["10.1.0.1", "10.2.0.1"], ["10.1.0.2", "10.2.0.2"]));
    await intact(id, accepted);
    await close(id);
  });

  it("a program on the server refuses subflows, which are taken down as soon as they are up", async () => {
    const seen: NetlinkReport[] = [];
    far = startNetlinkBackend(compiled("one-only", undefined, ONE_ONLY), {
      netns: s,
      report: (report) => seen.push(report),
    });
    start("ndiffports", { extraSubflows: 3 });
    const { id, accepted, port } = await connect();
    const once = (): number => seen.filter((report) => report.kind === "refused").length;
    await until("the subflows are refused", () => once() === 3);
    await settled(port, ["10.1.0.1 10.1.0.2"]);
    await intact(id, accepted);
    expect(joins(port)).toBe(3);
    expect(far.counts).toMatchObject({ turnedAway: 3 });
    expect(seen.filter((report) => report.kind === "refused")).toMatchObject(
      new Array(3).fill({ errno: 0, from: expect.stringMatching(/^10\.1\.0\.1:/), to: `10.1.0.2:${port}` }),
    );
    // Of a subflow that it refused the program hears nothing more.
    const events = seen.flatMap((report) => (report.kind === "event" ? [report.event] : []));
    // That of the first subflow alone.
    expect(events.filter((event) => /Subflow(Established|Closed)/.test(event))).toEqual(["MptcpSubflowEstablished"]);
    await close(id);
  });

  it("a program on the server takes subflows, too, when it says so", async () => {
    const seen: NetlinkReport[] = [];
    far = startNetlinkBackend(compiled("one-only", undefined, ONE_ONLY), {
      netns: s,
      params: { most: 3 },
      report: (report) => seen.push(report),
    });
    start("ndiffports", { extraSubflows: 3 });
    const { id, accepted, port } = await connect();
    await until("one is refused", () => seen.some((report) => report.kind === "refused"));
    await settled(port, new Array<string>(3).fill("10.1.0.1 10.1.0.2"));
    await intact(id, accepted);
    expect(far.counts).toMatchObject({ turnedAway: 1 });
    await close(id);
  });

  it("opens a backup, and says so with the join", async () => {
    start("spare", {}, SPARE);
    const { id, accepted, port } = await connect();
    await settled(port, ["10.1.0.1 10.1.0.2", "10.2.0.1 10.2.0.2", "10.2.0.1 10.1.0.2"]);
    const flags = wire.segments.flatMap((one) =>
      one.destinationPort === port && one.syn && !one.ack
        ? one.options.filter(({ hex }) => hex.startsWith("1e0c"))
        : [],
    );
    // Bit 0 of the fourth digit is B (RFC 8684, section 3.2).
    expect(flags.map(({ hex }) => hex.slice(0, 6)).toSorted()).toEqual(["1e0c10", "1e0c11"]);
    const backups = openSessions(c)
      .filter((session) => session.to.endsWith(`:${port}`))
      .flatMap(({ subflows }) => subflows.filter((one) => one.backup).map(({ to }) => to.replace(/:.*/, "")));
    expect(backups).toEqual(["10.2.0.2"]);
    await intact(id, accepted);
    await close(id);
  });

  it("serves two sessions at once, each with its own mesh", async () => {
    announce("10.2.0.2", "v1");
    start("fullmesh");
    const one = await connect();
    const two = await connect();
    const whole = mesh(["10.1.0.1", "10.2.0.1"], ["10.1.0.2", "10.2.0.2"]);
    await settled(one.port, whole);
    await settled(two.port, whole);
    await client.call("close", { id: one.id });
    await until("one session is left", () => backend!.sessions.size === 1);
    await settled(two.port, whole);
    await close(two.id);
  });

  it("survives a session that is closed before its subflows are up", async () => {
    announce("10.2.0.2", "v1");
    start("fullmesh");
    for (let turn = 0; turn < 20; turn++) {
      port++;
      const listening = await server.call<number>("listen", {
        protocol: "mptcp",
        host: "0.0.0.0",
        port,
        mode: "close",
      });
      const id = await client.call<number>("connect", { protocol: "mptcp", host: "10.1.0.2", port });
      await client.call("close", { id });
      await server.call("closeServer", { id: listening });
    }
    // A session whose end the peer has not seen lingers in the kernel; ours are those of the kernel, no more.
    await until("all sessions that the kernel has forgotten are forgotten", () => {
      const held = new Set(openSessions(c, "any state").map((session) => session.token));
      return [...backend!.sessions.keys()].every((token) => held.has(token));
    });
    expect(reports.filter((report) => report.kind === "warning")).toEqual([]);
    const { id, port: fresh } = await connect();
    await settled(fresh, mesh(["10.1.0.1", "10.2.0.1"], ["10.1.0.2", "10.2.0.2"]));
    await client.call("close", { id });
  });

  it("puts the namespace's path manager back when it ends", () => {
    const chosen = (): string => inNetns(c, () => readFileSync("/proc/sys/net/mptcp/pm_type", "utf8").trim());
    const before = chosen();
    start("ndiffports");
    expect(chosen()).toBe("1");
    backend!.close();
    backend = undefined;
    expect(chosen()).toBe(before);
  });

  it("refuses objects that are no path managers", () => {
    expect(() => startNetlinkBackend({ ...compiled("ndiffports"), programs: [] }, { netns: c })).toThrow(
      "no path manager",
    );
    expect(() => startNetlinkBackend(compiled("ndiffports"), { netns: "tsbpf-absent" })).toThrow(
      "no such network namespace: tsbpf-absent",
    );
    expect(() => start("ndiffports", { extraSubflows: 300 })).toThrow("300 is not a u8");
  });
});

/** Takes so many subflows in all, the first one included. */
const ONE_ONLY = `
import { HashMap, license, param, u32, u8 } from "tsbpf";
import { pathManager } from "tsbpf/mptcp";
license("GPL");
export const most = param(u8, 1);
export const counts = new HashMap({ key: u32, value: u32, maxEntries: 64 });
export const oneOnly = pathManager({
  newSession(session) {
    counts.set(session.token, 1);
  },
  acceptSubflow(session) {
    const count = counts.ref(session.token);
    if (!count || count.value >= most) return false;
    count.value += 1;
    return true;
  },
});
`;

/** programs/close-idle.ts with two subflows to close: a namespace has one path manager. */
const IDLE = readFileSync(new URL("../../programs/close-idle.ts", import.meta.url), "utf8").replace(
  "  timer(session",
  "  fullyEstablished(session, isMaster) {\n    if (!isMaster) return;\n    session.openSubflow();\n    session.openSubflow();\n  },\n\n  timer(session",
);

/** The families of the addresses that the program is given. */
function locals(backend: NetlinkBackend): number[] {
  const [value] = backend.machine.maps.get("local_addrs")!.read(new Uint8Array(4))!;
  const view = new DataView(value!.buffer, value!.byteOffset);
  const family = LOCAL_ADDRESS.fields.find(({ name }) => name === "family")!.offset;
  return Array.from({ length: MOST_LOCAL_ADDRESSES }, (_, slot) =>
    view.getUint32(slot * LOCAL_ADDRESS.size + family, true),
  ).filter((one) => one !== 0);
}
