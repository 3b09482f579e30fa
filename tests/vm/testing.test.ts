import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { htons, ipv4, ipv6 } from "tsbpf";
import {
  connect,
  coverageLcov,
  coverageText,
  createHost,
  load,
  takeCoverage,
  type PathManagerUnderTest,
  type RingBufUnderTest,
  type SockOpsUnderTest,
  type TcpOptionUnderTest,
  type TrieUnderTest,
  type MapUnderTest,
} from "tsbpf/testing";
import { afterAll, describe, expect, test } from "vitest";

const folder = mkdtempSync(join(tmpdir(), "tsbpf-testing-"));
afterAll(() => rmSync(folder, { recursive: true }));
let files = 0;
/** Writes a program and gives its path. */
function source(text: string): string {
  const path = join(folder, `program${files++}.ts`);
  writeFileSync(path, text);
  return path;
}
const program = (name: string): URL => new URL(`../../programs/${name}.ts`, import.meta.url);

describe("load", () => {
  test("a program that does not compile: all diagnostics, with their places", async () => {
    const path = source(
      'import { license } from "tsbpf";\nimport { tcpOption } from "tsbpf/tcp";\nlicense("GPL");\nexport const x = tcpOption({ kind: 66, payload: 7 });\n',
    );
    await expect(load(path)).rejects.toThrow(/does not compile[\s\S]*:4:/);
  });
  test("a file that is not there", async () => {
    await expect(load(join(folder, "nothing.ts"))).rejects.toThrow("no such file");
  });
  test("a param that is not there names those that are", async () => {
    await expect(load(program("ndiffports"), { params: { extra: 5 } as never })).rejects.toThrow(
      "it has extraSubflows",
    );
  });
  test("a param that does not fit its type", async () => {
    await expect(load(program("ndiffports"), { params: { extraSubflows: 300 } as never })).rejects.toThrow(
      "extraSubflows: 300 is not inside the range of u8",
    );
  });
  test("an IPv6 address that is no text, or none, is named", async () => {
    const { ndiffports } = (await load(program("ndiffports"))) as { readonly ndiffports: PathManagerUnderTest };
    const session = (localIp6: unknown) => () => ndiffports.session({ localIp6 } as never);
    expect(session(ipv6("2001:db8::1"))).toThrow('localIp6: IPv6 addresses are texts in tests: write "2001:db8::1"');
    expect(session("2001:db8::1::")).toThrow('localIp6: "2001:db8::1::" is not an IPv6 address');
  });
  test("params are seen as they are set", async () => {
    const { wantedWindow, largestWindow } = await load<typeof import("../../programs/initial-window.ts")>(
      program("initial-window"),
      { params: { wantedWindow: 33 } },
    );
    expect([wantedWindow, largestWindow]).toEqual([33, 64]);
  });
  test("mistakes of a test are told in words", async () => {
    const { fullmesh, remoteAddrs } = (await load(program("fullmesh"))) as {
      fullmesh: PathManagerUnderTest;
      remoteAddrs: MapUnderTest<number, unknown>;
    };
    expect(() => remoteAddrs.set(0, { list: [{ addr: 5, inUse: 1 }] })).toThrow(
      'addr: 5 is not in network byte order: write ipv4("…")',
    );
    expect(() => remoteAddrs.set(0, { lst: [] })).toThrow("lst");
    for (let token = 0; token < 1024; token++) remoteAddrs.set(token, { list: [] });
    expect(() => remoteAddrs.set(5000, { list: [{ addr: ipv4("1.1.1.1"), inUse: 1 }] })).toThrow("E2BIG");
    expect(() => fullmesh.emit("newSesion" as "newSession", {})).toThrow("newSession");
    expect(() => fullmesh.emit("newSession", {}, { tokn: 1 } as never)).toThrow("tokn");
  });
});

describe.each(["interpreter", "translator"] as const)("sock_ops programs, maps and helpers: %s", (engine) => {
  const text = `
import { ArrayMap, HashMap, i32, Ipv4Trie, ktimeNs, license, log, LruHashMap, PerCpuArray, RingBuf, struct, u32, u64 } from "tsbpf";
import { Callback, Op, sockOps } from "tsbpf/tcp";
license("GPL");
class Event extends struct({ at: u64, state: u32 }) {}
export const events = new RingBuf({ value: Event, bytes: 4096 });
export const hits = new PerCpuArray({ value: u64, maxEntries: 1 });
export const trusted = new Ipv4Trie({ value: u32, maxEntries: 4 });
export const seen = new HashMap({ key: u32, value: u32, maxEntries: 2 });
export const recent = new LruHashMap({ key: u32, value: u32, maxEntries: 2 });
export const table = new ArrayMap({ value: u32, maxEntries: 2, initial: [7, 8] });
export const watch = sockOps((ctx) => {
  const hit = hits.ref(0);
  if (hit) hit.value += 1n;
  switch (ctx.op) {
    case Op.TcpConnect: {
      if (ctx.setCallbacks(Callback.State) !== 0) return 0;
      break;
    }
    case Op.State: {
      const failed = events.output({ at: ktimeNs(), state: 1 });
      if (failed !== 0) log\`lost \${failed}\`;
      break;
    }
    case Op.ActiveEstablished: {
      const level = trusted.get(ctx.remoteIp4);
      if (level) ctx.reply = i32(level);
      else ctx.reply = -5;
      break;
    }
    case Op.Rtt: {
      const full = seen.set(ctx.sndCwnd, 1);
      void recent.set(ctx.sndCwnd, 1);
      ctx.reply = full;
      break;
    }
    default:
      return 0;
  }
  return 1;
});
`;
  const watched = source(text);
  interface Watch {
    watch: SockOpsUnderTest;
    events: RingBufUnderTest<{ at: bigint; state: number }>;
    hits: MapUnderTest<number, bigint[]>;
    trusted: TrieUnderTest<number>;
    seen: MapUnderTest<number, number>;
    recent: MapUnderTest<number, number>;
    table: MapUnderTest<number, number>;
  }
  const open = async (host = createHost()): Promise<Watch & { host: typeof host }> => ({
    ...((await load(watched, { host, engine })) as unknown as Watch),
    host,
  });

  test("state changes arrive as records, with the time of a clock that moves", async () => {
    const { watch, events, host } = await open();
    watch.event("TcpConnect");
    watch.changeState("established");
    host.advance(2.5);
    watch.changeState("finWait1");
    expect(events.records()).toEqual([
      { at: 1_000_000_000n, state: 1 },
      { at: 1_002_500_000n, state: 1 },
    ]);
    expect(events.records()).toEqual([]);
  });
  test("a helper that fails", async () => {
    const { watch, events, host } = await open();
    host.fail("ringbuf_output", -11, 1);
    watch.event("TcpConnect");
    watch.changeState("established");
    watch.changeState("closeWait");
    expect(events.records()).toHaveLength(1);
    expect(watch.logged).toEqual(["lost -11"]);
  });
  test("one value per CPU", async () => {
    const { watch, hits, host } = await open(createHost({ cpus: 2 }));
    watch.event("Rto");
    host.cpu = 1;
    watch.event("Rto");
    watch.event("Rto");
    expect(hits.get(0)).toEqual([1n, 2n]);
  });
  test("tries find the longest prefix; replies and return values are the kernel's", async () => {
    const { watch, trusted } = await open();
    trusted.set("10.0.0.0/8", 1);
    trusted.set("10.1.0.0/16", 2);
    const reply = (address: string): number =>
      watch.event("ActiveEstablished", {}, { remoteIp4: ipv4(address as "1.1.1.1") }).reply;
    expect([reply("10.9.9.9"), reply("10.1.9.9"), reply("11.0.0.1")]).toEqual([1, 2, -5]);
    expect(watch.event("Rto")).toEqual({ returned: 0, reply: -1 });
    expect([...trusted].map(([prefix]) => prefix)).toEqual(["10.0.0.0/8", "10.1.0.0/16"]);
  });
  test("full maps: a hash refuses, an LRU forgets; initial values are there", async () => {
    const { watch, seen, recent, table } = await open();
    const replies = [1, 2, 3].map((sndCwnd) => watch.event("Rtt", {}, { sndCwnd }).reply);
    expect(replies).toEqual([0, 0, -7]);
    expect([...seen].map(([key]) => key)).toEqual([1, 2]);
    expect([...recent].map(([key]) => key)).toEqual([2, 3]);
    expect([...table]).toEqual([
      [0, 7],
      [1, 8],
    ]);
  });
});

describe("two endpoints", () => {
  const open = async () => ((await load(program("user-timeout"))) as { userTimeout: TcpOptionUnderTest }).userTimeout;

  test("lossy and reordering paths deliver in the end, with retransmissions", async () => {
    const option = await open();
    const network = connect(option, option, { loss: 0.1, reorder: 0.2, seed: 3 });
    network.transfer("client", 200_000);
    // The SYN counts as one.
    expect(network.client.conn.bytesAcked).toBe(200_001n);
    expect(network.client.conn.totalRetrans).toBeGreaterThan(0);
    expect(network.segments.some((one) => one.fate === "lost")).toBe(true);
  });
  test("a clean path retransmits nothing; the round-trip time is twice the delay", async () => {
    const option = await open();
    const network = connect(option, option, { delayMs: 25 });
    network.transfer("client", 100_000);
    expect(network.client.conn.totalRetrans).toBe(0);
    expect(network.client.conn.rttMinUs).toBe(50_000);
    expect(network.client.conn.sndCwnd).toBeGreaterThan(10);
  });
  test("the same seed gives the same run", async () => {
    const run = async (seed: number): Promise<string> => {
      const option = await open();
      const network = connect(option, option, { loss: 0.2, seed });
      network.transfer("client", 50_000);
      return JSON.stringify(network.segments.map((one) => [one.at, one.fate]));
    };
    expect(await run(5)).toBe(await run(5));
    expect(await run(5)).not.toBe(await run(6));
  });
  test("the option is on the wire until the program stops; a middlebox strips it", async () => {
    const option = await open();
    const clean = connect(option, option);
    clean.transfer("client", 20_000);
    const withOption = clean.segments.filter((one) => one.options.length > 0);
    expect(withOption.length).toBeGreaterThan(0);
    expect(withOption.every((one) => one.from === "client" && one.options[0] === 28)).toBe(true);
    const stripped = connect(option, option, { strip: true });
    stripped.transfer("client", 20_000);
    expect(stripped.segments.some((one) => one.fate === "stripped")).toBe(true);
    expect(stripped.server.sockOpts).toEqual({});
  });
  test("a path that drops everything gives up", async () => {
    const option = await open();
    const network = connect(option, option, { pass: () => false });
    expect(() => network.open()).toThrow("handshake failed");
  });
  test("closing frees what hangs on the sockets and goes through the states", async () => {
    const option = await open();
    const network = connect(option, option);
    network.transfer("client", 100);
    network.close();
    expect([network.client.conn.state, network.server.conn.state]).toEqual(["close", "close"]);
  });
  test("what is closed carries nothing any more, and is closed once", async () => {
    const option = await open();
    const network = connect(option.on({}), option.on({}));
    network.transfer("client", 100);
    network.close();
    const sent = network.segments.length;
    for (const later of [
      () => network.transfer("client", 100),
      () => network.transfer("server", 1),
      () => network.open(),
    ])
      expect(later).toThrow("the connection is closed: nothing is sent on it any more");
    network.close();
    expect(network.segments).toHaveLength(sent);
    expect([network.client.conn.state, network.server.conn.state]).toEqual(["close", "close"]);
  });
  test("what was never made has nothing to close", async () => {
    const option = await open();
    const network = connect(option.on({}), option.on({}));
    network.close();
    expect(network.segments).toEqual([]);
    expect(() => network.open()).toThrow("the connection is closed");
  });
});

describe("path managers", () => {
  describe("timers of sessions", () => {
    /** A manager with one more subflow, and this for the first one when the timer expires. */
    const timed = async (isFirst: string, path = "{ from: { addr: session.localIp4 } }") => {
      const { manager } = (await load(
        source(`
import { license } from "tsbpf";
import { pathManager } from "tsbpf/mptcp";
license("GPL");
export const manager = pathManager({
  fullyEstablished(session, isMaster) { if (isMaster) { ${path && `session.openSubflow(${path});`} session.setTimer(100); } },
  timer(session, _localId, _remoteId, _backup, isMaster) { if (isMaster) { ${isFirst} } },
});
`),
      )) as { readonly manager: PathManagerUnderTest };
      const session = manager.session({ localIp4: ipv4("10.0.0.1") });
      session.establish();
      session.settle();
      return { session, told: () => manager.history.match(/timer, token/g)?.length ?? 0 };
    };
    test("one that is over is told of no timer", async () => {
      const { session, told } = await timed("");
      session.close();
      session.advance(1000);
      expect(told()).toBe(0);
    });
    test("time passes for all sessions of a host, in the order in which their timers expire", async () => {
      const { manager } = (await load(
        source(`
import { license, log } from "tsbpf";
import { pathManager } from "tsbpf/mptcp";
license("GPL");
export const manager = pathManager({
  fullyEstablished(session) { session.setTimer(session.token); },
  timer(session) { log\`\${session.token}\`; session.setTimer(200); },
});
`),
      )) as { readonly manager: PathManagerUnderTest };
      const [late, soon] = [300, 100].map((token) => manager.session({ token }));
      for (const one of [late!, soon!]) one.establish();
      late!.advance(250);
      expect(manager.logged).toEqual(["100"]);
      soon!.close();
      late!.advance(100);
      expect(manager.logged).toEqual(["100", "300"]);
    });
    test("what is closed in the same expiry is told as well", async () => {
      const { session, told } = await timed("session.closeSubflow({ from: { addr: session.localIp4 } });");
      session.advance(1000);
      expect(session.subflows).toMatchObject([{ state: "closed" }]);
      expect(told()).toBe(2);
    });
    test("the first subflow that closes itself is told once", async () => {
      const { session, told } = await timed("session.closeSubflow();", "");
      session.advance(1000);
      expect(session.first).toBe("closed");
      expect(told()).toBe(1);
    });
  });
  test("subflows that fail are told of; a program cannot loop forever", async () => {
    const { ndiffports } = (await load(program("ndiffports"))) as { ndiffports: PathManagerUnderTest };
    const session = ndiffports.session({ remotePort: htons(443) }, { subflow: () => "fail" });
    session.establish();
    session.settle();
    expect(session.subflows.map((one) => one.state)).toEqual(["failed", "failed"]);
    expect(ndiffports.history).toContain("subflowClosed");
  });
});

test("coverage by line of TypeScript", async () => {
  takeCoverage(true);
  const { userTimeout } = (await load(program("user-timeout"))) as { userTimeout: TcpOptionUnderTest };
  userTimeout.established("client");
  userTimeout.write();
  const before = takeCoverage();
  const path = Object.keys(before).find((one) => one.endsWith("user-timeout.ts"))!;
  const parsed = (lines: Readonly<Record<number, number>>): number =>
    Object.values(lines).filter((count) => count > 0).length;
  const first = parsed(before[path]!);
  userTimeout.parse([28, 4, 0, 9]);
  const after = takeCoverage(true);
  expect(parsed(after[path]!)).toBeGreaterThan(first);
  expect(coverageText(before)).toMatch(/user-timeout\.ts +\d+\.\d %/);
  expect(coverageLcov(after)).toMatch(/^TN:\nSF:.*user-timeout\.ts\nDA:\d+,\d+/);
});
