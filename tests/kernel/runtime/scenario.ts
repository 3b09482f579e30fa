/**
 * What the runtime does on the patched kernel, as one program that runs inside the virtual machine: it prints one JSON
 * object per finding on standard output, which runtime-*.test.ts on the host judges.
 *
 *   scenario paths | removal | locals | accept | backup | managers | life | life-netns | namespaces | options | room | company | shared | limits | record | fidelity CONTROL…
 */
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { kernels, TARGETS, type Kernel } from "../../../compiler/bpf/kernels.ts";
import { load, startKernelPathManager, type LoadedObject } from "../../../runtime/api.ts";
import { run as runCommand } from "../../../runtime/cli/run.ts";
import { show as showCommand } from "../../../runtime/cli/show.ts";
import { openSessions } from "../../../runtime/mptcp/sock-diag.ts";
import { capture } from "../../runtime/capture.ts";
import { compiled } from "../../runtime/compiled.ts";
import { FAMILIES, type Family } from "../../runtime/dropping.ts";
import { FAR } from "../../runtime/fidelity/paths.ts";
import { life } from "../../runtime/option-life/scenario.ts";
import { traceKernel, whyNoDelay } from "../../runtime/fidelity/rig.ts";
import { limitsOfKernel, recordKernel, whyNoLoss } from "../../runtime/recorder/kernel.ts";
import { recordMptcp } from "../../runtime/recorder/mptcp.ts";
import { SESSIONS } from "../../runtime/recorder/session.ts";
import { company } from "../../runtime/company/scenario.ts";
import { listening } from "../../runtime/listening.ts";
import { SPARE } from "../../runtime/spare.ts";
import { sharedWriting } from "../../runtime/shared-writing/scenario.ts";
import { openLab, pause, until, type Lab, type Peer } from "../../runtime/lab.ts";
import { namespaces } from "./namespaces.ts";

const report = (name: string, facts: Record<string, unknown>): void => console.log(JSON.stringify({ name, ...facts }));
/** JSON has no bigints: as text. */
const plain = (facts: Record<string, unknown>): Record<string, unknown> =>
  JSON.parse(
    JSON.stringify(facts, (_, value: unknown) => (typeof value === "bigint" ? String(value) : value)),
  ) as Record<string, unknown>;
const PATIENCE = 60_000;

const PATH_PARTS = ["paths", "removal", "locals", "accept", "backup", "managers"] as const;
type PathPart = (typeof PATH_PARTS)[number];
const isPathPart = (part: string | undefined): part is PathPart => PATH_PARTS.some((one) => one === part);

/** A server's program: two further subflows, and no more. */
const TWO_MORE = `
import { HashMap, license, u32 } from "tsbpf";
import { pathManager } from "tsbpf/mptcp";
license("GPL");
export const counts = new HashMap({ key: u32, value: u32, maxEntries: 64 });
export const twoMore = pathManager({
  newSession(session) {
    counts.set(session.token, 0);
  },
  acceptSubflow(session) {
    const count = counts.ref(session.token);
    if (!count || count.value >= 2) return false;
    count.value += 1;
    return true;
  },
});
`;

/** A server's program: subflows are refused until it is open. */
const GATE = `
import { ArrayMap, license, u32 } from "tsbpf";
import { pathManager } from "tsbpf/mptcp";
license("GPL");
export const isOpen = new ArrayMap({ value: u32, maxEntries: 1 });
export const gate = pathManager({ acceptSubflow: () => isOpen.get(0) !== 0 });
`;

/** Counts what it is told of addresses: which came (0) and went (2), and by their links (1, 3). */
const LINKS = `
import { ArrayMap, license, u32 } from "tsbpf";
import { pathManager } from "tsbpf/mptcp";
license("GPL");
export const told = new ArrayMap({ value: u32, maxEntries: 4 });
export const links = pathManager({
  addLocalAddress(_session, _local, byLink) {
    const count = byLink ? told.ref(1) : told.ref(0);
    if (count) count.value += 1;
  },
  removeLocalAddress(_session, _local, byLink) {
    const count = byLink ? told.ref(3) : told.ref(2);
    if (count) count.value += 1;
  },
});
`;

async function paths(lab: Lab, part: PathPart): Promise<void> {
  const c = lab.netns("c");
  const s = lab.netns("s");
  lab.wire(c, "v0", ["10.1.0.1/24", "fd01::1/64"], s, "v0", ["10.1.0.2/24", "fd01::2/64"]);
  lab.wire(c, "v1", ["10.2.0.1/24", "fd02::1/64"], s, "v1", ["10.2.0.2/24", "fd02::2/64"]);
  lab.wire(c, "v2", [], s, "v2", []);
  for (const net of [c, s]) {
    for (const device of ["all", "v0", "v1", "v2"])
      lab.inside(net, "sysctl", "-qw", `net.ipv4.conf.${device}.rp_filter=0`);
    // The client's own in-kernel path manager stays passive, or it would open subflows of its own to what is announced.
    lab.inside(net, "ip", "mptcp", "limits", "set", "subflow", "8", "add_addr_accepted", net === c ? "0" : "8");
  }
  const group = lab.cgroup("client");
  const client = await lab.peer(c, group);
  const far = lab.cgroup("server");
  const server = await lab.peer(s, far);
  const wire = capture(c);
  lab.defer(() => wire.stop());
  let port = 7000;

  const pairs = (port: number): string[] =>
    openSessions(c)
      .filter((session) => session.to.endsWith(`:${port}`))
      .flatMap((session) =>
        session.subflows.map((one) => `${one.from.replace(/:\d+$/, "")} ${one.to.replace(/:\d+$/, "")}`),
      )
      .toSorted();
  const joins = (port: number): number =>
    wire.segments.filter(
      (one) =>
        one.destinationPort === port &&
        one.syn &&
        !one.ack &&
        one.options.some((option) => option.hex.startsWith("1e0c1")),
    ).length;
  const connect = async (host = "10.1.0.2"): Promise<{ id: number; accepted: number; port: number }> => {
    port++;
    await server.call("listen", { protocol: "mptcp", host: host.includes(":") ? "::" : "0.0.0.0", port });
    const before = server.accepted.length;
    const id = await client.call<number>("connect", { protocol: "mptcp", host, port });
    await client.call("send", { id, length: 1000 });
    await until("accepted", () => server.accepted.length > before, PATIENCE);
    return { id, accepted: server.accepted.at(-1)!, port };
  };
  /** What is there once `wanted` subflows are, or once patience ends; then a little later, for those too many. */
  const settle = async (
    name: string,
    session: { id: number; accepted: number; port: number },
    wanted: number,
  ): Promise<void> => {
    await until("the mesh", () => pairs(session.port).length === wanted, PATIENCE).catch(() => undefined);
    await pause(500);
    await client.call("send", { id: session.id, length: 200_000 });
    const { sent } = await client.call<{ sent: string }>("state", { id: session.id });
    const intact = await until(
      "the data",
      async () => (await server.call<{ hash: string }>("state", { id: session.accepted })).hash === sent,
      PATIENCE,
    ).catch(() => false);
    report(name, { pairs: pairs(session.port), joins: joins(session.port), intact });
  };
  /** Addresses that the daemon has put into the program's map. */
  const locals = (object: LoadedObject): number =>
    (object.maps["local_addrs"]!.get(0) as unknown as { list: readonly { family: number }[] }).list.filter(
      ({ family }) => family !== 0,
    ).length;
  const announce = (address: string, device: string): void =>
    void lab.inside(s, "ip", "mptcp", "endpoint", "add", address, "dev", device, "signal");
  const forget = (): void => void lab.inside(s, "ip", "mptcp", "endpoint", "flush");
  const run = async (
    program: string,
    params: Record<string, unknown>,
    steps: (object: LoadedObject) => Promise<void>,
    side: "client" | "server" = "client",
  ): Promise<void> => {
    const text = program === "spare" ? SPARE : program === "links" ? LINKS : undefined;
    const running = startKernelPathManager(compiled(program, "patched", text), side === "client" ? group : far, {
      netns: side === "client" ? c : s,
      params,
      warn: (text) => report("warning", { text }),
    });
    try {
      await steps(running.object);
    } finally {
      running.close();
    }
  };

  if (part === "paths") {
    for (const extraSubflows of [1, 2, 5])
      await run("ndiffports", { extraSubflows }, async () => {
        const session = await connect();
        await settle(`ndiffports ${extraSubflows}`, session, 1 + extraSubflows);
        await client.call("close", { id: session.id });
      });
    await run("ndiffports", {}, async () => {
      const session = await connect("fd01::2");
      await settle("ndiffports IPv6", session, 3);
      await client.call("close", { id: session.id });
    });
    announce("10.2.0.2", "v1");
    await run("fullmesh", {}, async (object) => {
      const one = await connect();
      await settle("fullmesh 2x2", one, 4);
      const two = await connect();
      await settle("fullmesh second session", two, 4);
      for (const { id } of [one, two]) await client.call("close", { id });
      lab.ip(c, "addr", "add", "10.3.0.1/24", "dev", "v2");
      lab.ip(s, "addr", "add", "10.3.0.2/24", "dev", "v2");
      await until("the daemon has seen the address", () => locals(object) === 5, PATIENCE);
      const three = await connect();
      await settle("fullmesh 3x2", three, 6);
      await client.call("close", { id: three.id });
      lab.ip(c, "addr", "del", "10.3.0.1/24", "dev", "v2");
    });
    forget();
    return;
  }
  if (part === "backup") {
    await run("spare", {}, async () => {
      const session = await connect();
      await settle("backup", session, 3);
      const flags = wire.segments
        .filter((one) => one.destinationPort === session.port)
        .flatMap(({ options }) => options.filter(({ hex }) => hex.startsWith("1e")).map(({ hex }) => hex));
      const backups = openSessions(c)
        .filter(({ to }) => to.endsWith(`:${session.port}`))
        .flatMap(({ subflows }) => subflows.filter((one) => one.backup).map((one) => `${one.from} ${one.to}`));
      report("backups", {
        backups: backups.map((one) => one.replaceAll(/:\d+/g, "")),
        // MP_PRIO (RFC 8684, section 3.3.8), with or without an address id.
        priorities: [...new Set(flags.filter((hex) => /^1e0[34]5/.test(hex)))],
      });
      await client.call("close", { id: session.id });
    });
    return;
  }
  if (part === "managers") {
    const backups = (port: number): string[] =>
      openSessions(c)
        .filter(({ to }) => to.endsWith(`:${port}`))
        .flatMap(({ subflows }) => subflows.filter((one) => one.backup).map((one) => one.from.replace(/:\d+$/, "")));
    const there = (count: number, session: { port: number }): Promise<unknown> =>
      until(`${count} subflows`, () => pairs(session.port).length === count, PATIENCE).catch(() => undefined);
    await run("links", {}, async (object) => {
      const session = await connect();
      const told = async (...wanted: readonly number[]): Promise<void> => {
        const read = (): unknown[] => [0, 1, 2, 3].map((key) => object.maps["told"]!.get(key));
        await until("it is told", () => String(read()) === String(wanted), 10_000).catch(() => undefined);
        report(`links ${wanted.join(" ")}`, { told: read() });
      };
      lab.ip(c, "addr", "add", "10.9.0.1/24", "dev", "v1");
      await told(1, 0, 0, 0);
      // IPv4 and IPv6 of the link, and the address that was just added.
      lab.ip(s, "link", "set", "v1", "down");
      await told(1, 0, 0, 3);
      lab.ip(c, "addr", "del", "10.9.0.1/24", "dev", "v1");
      lab.ip(s, "link", "set", "v1", "up");
      // Its deletion is told, too: it had been told as gone with its link.
      await told(1, 2, 1, 3);
      lab.ip(c, "addr", "add", "10.9.0.1/24", "dev", "v1");
      lab.ip(c, "addr", "del", "10.9.0.1/24", "dev", "v1");
      await client.call("close", { id: session.id });
    });
    await run("thin-connections", { worthBytes: 50_000, firstLookMs: 100, longestWaitMs: 400 }, async () => {
      const session = await connect();
      await pause(3000);
      report("thin before", { pairs: pairs(session.port) });
      await settle("thin after", session, 1);
      await there(2, session);
      report("thin later", { pairs: pairs(session.port) });
      await client.call("close", { id: session.id });
    });
    await run(
      "announce-addresses",
      {},
      () =>
        run("fullmesh", {}, async () => {
          const session = await connect();
          await settle("announced", session, 4);
          lab.ip(s, "addr", "del", "10.2.0.2/24", "dev", "v1");
          await there(2, session);
          report("withdrawn", { pairs: pairs(session.port) });
          lab.ip(s, "addr", "add", "10.2.0.2/24", "dev", "v1");
          await settle("announced again", session, 4);
          await client.call("close", { id: session.id });
        }),
      "server",
    );
    await run("close-idle", { idleMs: 2000 }, () =>
      run("ndiffports", { extraSubflows: 2 }, async () => {
        const session = await connect();
        await there(3, session);
        report("idle before", { pairs: pairs(session.port) });
        await there(1, session);
        report("idle after", { pairs: pairs(session.port) });
        await settle("idle still carries", session, 1);
        await client.call("close", { id: session.id });
      }),
    );
    const gate = load(compiled("gate", "patched", GATE));
    gate.attach(far);
    await run("recover", { longestWaitSeconds: 2 }, () =>
      run("ndiffports", { extraSubflows: 1 }, async () => {
        const session = await connect();
        await until("it tries again", () => joins(session.port) >= 3, PATIENCE).catch(() => undefined);
        report("recover tries", { pairs: pairs(session.port), joins: joins(session.port) });
        gate.maps["isOpen"]!.set(0, 1);
        await settle("recovered", session, 2);
        await client.call("close", { id: session.id });
      }),
    );
    gate.close();
    lab.inside(s, "tc", "qdisc", "add", "dev", "v1", "root", "netem", "delay", "200ms");
    announce("10.2.0.2", "v1");
    await run("backup-by-rtt", {}, () =>
      run("fullmesh", {}, async () => {
        const session = await connect();
        await settle("by time", session, 4);
        await until("some are backups", () => backups(session.port).length > 0, 10_000).catch(() => undefined);
        report("backups by time", { backups: backups(session.port) });
        await client.call("close", { id: session.id });
      }),
    );
    forget();
    return;
  }
  if (part === "accept") {
    const accepting = load(compiled("two-more", "patched", TWO_MORE));
    accepting.attach(far);
    await run("ndiffports", { extraSubflows: 5 }, async () => {
      const session = await connect();
      await settle("accept", session, 3);
      await client.call("close", { id: session.id });
    });
    accepting.close();
    return;
  }
  if (part === "locals") {
    const device = ["dev", "v2"] as const;
    announce("10.2.0.2", "v1");
    await run("fullmesh", {}, async () => {
      const session = await connect();
      await settle("before", session, 4);
      lab.ip(s, "addr", "add", "10.3.0.2/24", ...device);
      lab.ip(c, "addr", "add", "10.3.0.1/24", ...device);
      await settle("late", session, 6);
      lab.ip(c, "addr", "del", "10.3.0.1/24", ...device);
      await settle("gone", session, 4);
      lab.ip(c, "addr", "add", "10.3.0.1/24", ...device);
      await settle("again", session, 6);
      lab.ip(c, "addr", "del", "10.3.0.1/24", ...device);
      await client.call("close", { id: session.id });
    });
    // The server takes eight joins in a session, and counts those whose address went away until it hears of that: by some
    // acknowledgement that it happens to send there, sooner or later. So every session here stays below eight in all.
    await run("fullmesh", {}, async () => {
      const session = await connect();
      await settle("second session", session, 4);
      // The first subflow loses its address, and the session goes on.
      lab.ip(c, "addr", "del", "10.1.0.1/24", "dev", "v0");
      lab.ip(c, "route", "add", "10.1.0.0/24", "dev", "v0");
      await settle("first gone", session, 2);
      lab.ip(c, "addr", "add", "10.1.0.1/24", "dev", "v0");
      await settle("first again", session, 4);
      await client.call("close", { id: session.id });
    });
    forget();
    await run("fullmesh", {}, async () => {
      const session = await connect("fd01::2");
      await settle("IPv6 before", session, 2);
      announce("fd02::2", "v1");
      await settle("IPv6 announced", session, 4);
      lab.ip(s, "addr", "add", "fd03::2/64", ...device, "nodad");
      lab.ip(c, "addr", "add", "fd03::1/64", ...device, "nodad");
      await settle("IPv6 late", session, 6);
      lab.ip(c, "addr", "del", "fd03::1/64", ...device);
      await settle("IPv6 gone", session, 4);
      lab.ip(c, "addr", "add", "fd03::1/64", ...device, "nodad");
      await settle("IPv6 again", session, 6);
      await client.call("close", { id: session.id });
      lab.ip(c, "addr", "del", "fd03::1/64", ...device);
    });
    forget();
    announce("10.2.0.2", "v1");
    await run("fullmesh", {}, async () => {
      const session = await connect("::ffff:a01:2");
      await settle("mapped", session, 4);
      await client.call("close", { id: session.id });
    });
    forget();
    return;
  }
  await run("fullmesh", {}, async (object) => {
    const session = await connect();
    await settle("fullmesh before", session, 2);
    announce("10.2.0.2", "v1");
    await settle("fullmesh late", session, 4);
    forget();
    await settle("fullmesh removed", session, 2);
    announce("10.2.0.2", "v1");
    await settle("fullmesh again", session, 4);
    await client.call("close", { id: session.id });
    const remembered = object.maps["remoteAddrs"]!;
    const left = await until("the session is forgotten", () => remembered.batch().length === 0, PATIENCE).catch(
      () => false,
    );
    report("fullmesh forgets", { left: left ? 0 : remembered.batch().length });
  });
  forget();
}

async function options(lab: Lab): Promise<void> {
  const c = lab.netns("c");
  const s = lab.netns("s");
  lab.wire(c, "v0", ["10.97.0.1/24", "fd97::1/64"], s, "v1", ["10.97.0.2/24", "fd97::2/64"]);
  for (const net of [c, s]) lab.inside(net, "sysctl", "-qw", "net.ipv4.tcp_congestion_control=reno");
  const groups = [lab.cgroup("client"), lab.cgroup("server")] as const;
  const client = await lab.peer(c, groups[0]);
  const server = await lab.peer(s, groups[1]);
  const wire = capture(c);
  lab.defer(() => wire.stop());
  let port = 6000;
  const connection = async (host: string): Promise<number> => {
    await server.call("listen", { host, port: ++port, mode: "echo" });
    const id = await client.call<number>("connect", { host, port });
    await client.call("send", { id, length: 4 });
    const received = async (): Promise<number> => (await client.call<{ received: number }>("state", { id })).received;
    await until("echo", async () => (await received()) === 4, PATIENCE);
    return id;
  };
  /** Targets of the client's and of the server's object: the two APIs must understand each other. */
  const pairs = TARGETS.flatMap((near) => TARGETS.map((far) => [near, far] as const));
  for (const [family, host] of Object.entries(OPTION_HOSTS)) {
    for (const [near, far] of pairs.filter((both) => both.some((name) => (kernels[name] as Kernel).boot !== undefined)))
      for (const [program, params, kind, option, length] of [
        ["user-timeout", { timeoutSeconds: 1 }, 28, 18, 4],
        ["congestion-control", {}, 0x42, 13, 16],
        ["initial-window", { wantedWindow: 40, largestWindow: 64 }, 0x42, undefined, 0],
      ] as const) {
        const objects = [near, far].map((target) => load(compiled(program, target), { params }));
        objects.forEach((object, index) => object.attach(groups[index]!));
        const id = await connection(host);
        const effect = await effectOf(server, option, length);
        report(`${program} ${near} to ${far} over ${family}`, { wire: bytes(wire.segments, port, kind), effect });
        await client.call("close", { id });
        for (const object of objects) object.close();
      }

    const object = load(compiled("delayed-ack", "patched"));
    for (const group of groups) object.attach(group);
    await connection(host);
    // TCP_DELACK_SEGS of the server's socket: 64 00 00 00 is 100 segments.
    report(`delayed-ack over ${family}`, {
      wire: bytes(wire.segments, port, 0x43),
      effect: await effectOf(server, 66, 4),
    });
    object.close();
  }
}
const OPTION_HOSTS: Readonly<Record<Family, string>> = { IPv4: "10.97.0.2", IPv6: "fd97::2" };

/** An option of 8 bytes on every segment: until the peer has sent data, one of 4 still fits a full segment of MPTCP. */
const ON_EVERY_SEGMENT = `
import { htonl, license, struct, be32 } from "tsbpf";
import { tcpOption } from "tsbpf/tcp";
license("GPL");
class Mark extends struct({ value: be32 }) {}
export const mark = tcpOption({
  kind: 252,
  payload: Mark,
  established(conn) { conn.startWriting(); },
  write(conn, option) { option.value = htonl(7); },
});
`;

/** What `tsbpf run` and `tsbpf show` say of options on MPTCP sockets: full segments have no room for one. */
async function room(lab: Lab): Promise<void> {
  const c = lab.netns("c");
  const s = lab.netns("s");
  lab.wire(c, "v0", ["10.98.0.1/24"], s, "v1", ["10.98.0.2/24"]);
  // Each has a cgroup of its own: what a process has attached stays until it ends.
  const groups = { tcp: lab.cgroup("tcp"), mptcp: lab.cgroup("mptcp") };
  const clients = { tcp: await lab.peer(c, groups.tcp), mptcp: await lab.peer(c, groups.mptcp) };
  const server = await lab.peer(s);
  const pins = "/sys/fs/bpf/tsbpf";
  const program = join(mkdtempSync(join(tmpdir(), "tsbpf-room-")), "mark.ts");
  writeFileSync(program, ON_EVERY_SEGMENT);
  const send = async (protocol: "mptcp" | "tcp", port: number): Promise<void> => {
    const client = clients[protocol];
    await server.call("listen", { protocol, host: "10.98.0.2", port, mode: "echo" });
    const id = await client.call<number>("connect", { protocol, host: "10.98.0.2", port });
    await client.call("send", { id, length: 300_000 });
    const received = async () => (await client.call<{ received: number }>("state", { id })).received === 300_000;
    await until("the echo", received, PATIENCE);
  };
  /** Runs the program while something is sent; then asks `show`. */
  const during = async (protocol: "mptcp" | "tcp", port: number): Promise<{ warnings: string[]; shown: string }> => {
    const listener = listening();
    try {
      const running = runCommand(program, { cgroup: groups[protocol], netns: c, target: "patched", pins, json: true });
      await until("attached", () => listener.text().includes('"attached"'), PATIENCE);
      await send(protocol, port);
      const from = listener.text().length;
      await showCommand(undefined, { netns: c, pins });
      const shown = listener.text().slice(from);
      process.emit("SIGINT", "SIGINT");
      await running;
      const warnings = listener
        .text()
        .split("\n")
        .filter((text) => text.startsWith('{"warning"'))
        .map((text) => (JSON.parse(text) as { warning: string }).warning);
      return { warnings, shown };
    } finally {
      listener.end();
    }
  };
  report("TCP", await during("tcp", 8001));
  await send("mptcp", 8002);
  report("MPTCP", await during("mptcp", 8003));
}

const bytes = (
  segments: readonly { destinationPort: number; options: readonly { kind: number; hex: string }[] }[],
  port: number,
  kind: number,
): string[] => [
  ...new Set(
    segments
      .filter((one) => one.destinationPort === port)
      .flatMap((one) => one.options.filter((option) => option.kind === kind).map((option) => option.hex)),
  ),
];

async function effectOf(server: Peer, option: number | undefined, length: number): Promise<string | null> {
  if (option === undefined) return null;
  const { bytes } = await server.call<{ bytes?: number[] }>("getsockopt", {
    id: server.accepted.at(-1)!,
    level: 6,
    option,
    length,
  });
  return bytes ? Buffer.from(bytes).toString("hex") : null;
}

const lab = openLab();
try {
  const part = process.argv[2];
  if (part === "shared") {
    for (const target of TARGETS)
      await sharedWriting(target, (name, wire) => report(`${target}: ${name}`, { ...wire }));
  } else if (part === "company") {
    for (const target of TARGETS) {
      const own = openLab();
      try {
        report(target, { ...(await company(own, target)) });
      } finally {
        own.close();
      }
    }
  } else if (part === "limits") {
    const available = readFileSync("/proc/sys/net/ipv4/tcp_available_congestion_control", "utf8").trim().split(/\s+/);
    report("limits", { results: await limitsOfKernel("patched"), available });
  } else if (part === "record") {
    for (const session of SESSIONS)
      if (!session.loses || whyNoLoss() === undefined)
        report(session.name, plain({ ...(await recordKernel("patched", session)) }));
    report("MPTCP", plain({ ...(await recordMptcp()) }));
  } else if (part === "fidelity") {
    const noDelay = whyNoDelay(lab);
    if (noDelay) throw new Error(noDelay);
    for (const control of process.argv.slice(3)) report(control, { samples: await traceKernel(lab, FAR, control) });
  } else if (part === "room") await room(lab);
  else if (part === "life" || part === "life-netns")
    await Promise.all(
      FAMILIES.map(async (family) => {
        const place = part === "life" ? "cgroup" : "network namespace";
        report(family, { ...(await life(lab, "patched", place, family)) });
      }),
    );
  else if (part === "namespaces") await namespaces(lab, report, listening);
  else await (isPathPart(part) ? paths(lab, part) : options(lab));
  report("end", {});
} catch (error) {
  report("error", { message: (error as Error).message, stack: (error as Error).stack });
  process.exitCode = 1;
} finally {
  lab.close();
}
process.exit();
