/** One clock for everything on a host: connections of the model, sessions with timers, and tests that let time pass. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  connect,
  createHost,
  load,
  type MapUnderTest,
  type PathManagerUnderTest,
  type TcpOptionUnderTest,
} from "tsbpf/testing";
import { afterAll, describe, expect, test } from "vitest";

const folder = mkdtempSync(join(tmpdir(), "tsbpf-clock-"));
afterAll(() => rmSync(folder, { recursive: true }));
let files = 0;
function source(text: string): string {
  const path = join(folder, `clock${files++}.ts`);
  writeFileSync(path, text);
  return path;
}
type Host = ReturnType<typeof createHost>;
const BEGIN = 1_000_000_000n;
const inMs = (ms: number): bigint => BigInt(ms) * 1_000_000n;

/** Notes when each of its segments left, in nanoseconds since boot. */
const clocked = async (host: Host) => {
  const loaded = (await load(
    source(`
import { ArrayMap, ktimeNs, license, struct, u32, u64, u8 } from "tsbpf";
import { tcpOption } from "tsbpf/tcp";
license("GPL");
class Mark extends struct({ value: u8 }) {}
export const times = new ArrayMap({ value: u64, maxEntries: 256 });
export const many = new ArrayMap({ value: u32, maxEntries: 1 });
export const option = tcpOption({
  kind: 100,
  payload: Mark,
  established(conn) { conn.startWriting(); },
  write() {
    const count = many.ref(0);
    if (!count) return;
    times.set(count.value, ktimeNs());
    count.value += 1;
  },
});
`),
    { host },
  )) as unknown as {
    readonly option: TcpOptionUnderTest;
    readonly times: MapUnderTest<number, bigint>;
    readonly many: MapUnderTest<number, number>;
  };
  return {
    option: loaded.option,
    left: (): bigint[] => Array.from({ length: loaded.many.get(0)! }, (_, index) => loaded.times.get(index)!),
  };
};
/** Says when its timer expires, each 30 ms after the last. */
const ticking = async (host: Host): Promise<PathManagerUnderTest> => {
  const { manager } = (await load(
    source(`
import { ktimeNs, license, log } from "tsbpf";
import { pathManager } from "tsbpf/mptcp";
license("GPL");
export const manager = pathManager({
  fullyEstablished(session) { session.setTimer(30); },
  timer(session) { log\`\${ktimeNs() / 1000000n}\`; session.setTimer(30); },
});
`),
    { host },
  )) as { readonly manager: PathManagerUnderTest };
  return manager;
};

describe("the clock of a host", () => {
  test("does not go back where a test lets time pass between two transfers", async () => {
    const host = createHost();
    const { option, left } = await clocked(host);
    const network = connect(option.on({}), option.on({}), { delayMs: 10 });
    network.open();
    host.advance(5000);
    network.transfer("client", 1000);
    expect(host.now).toBe(BEGIN + inMs(network.now + 5000));
    host.advance(7);
    network.transfer("server", 1000);
    expect(host.now).toBe(BEGIN + inMs(network.now + 5007));
    const times = left();
    expect(times.length).toBeGreaterThan(3);
    expect(times).toEqual(times.toSorted((a, b) => Number(a - b)));
  });

  test("is one for two networks of a host, which take turns", async () => {
    const host = createHost();
    const { option } = await clocked(host);
    const networks = [1, 2].map((seed) => connect(option.on({}), option.on({}), { delayMs: 10, seed }));
    let last = host.now;
    for (let turn = 0; turn < 3; turn++)
      for (const network of networks) {
        network.transfer("client", 1000);
        expect(host.now).toBeGreaterThan(last);
        last = host.now;
      }
  });

  test("tells sessions' timers while a network's segments are on their way", async () => {
    const host = createHost();
    const manager = await ticking(host);
    const { option } = await clocked(host);
    manager.session({}).establish();
    const network = connect(option.on({}), option.on({}), { delayMs: 40 });
    network.transfer("client", 1000);
    expect(host.now).toBe(BEGIN + inMs(network.now));
    expect(network.now).toBeGreaterThan(90);
    // Each timer finds the time that it was set for.
    const expired = Array.from({ length: Math.floor(network.now / 30) }, (_, index) => `${1000 + 30 * (index + 1)}`);
    expect(manager.logged).toEqual(expired);
  });

  test("is two clocks where the ends are on two hosts", async () => {
    const [near, far] = [createHost(), createHost({ now: 5_000_000_000n })];
    const [client, server] = [await clocked(near), await clocked(far)];
    const network = connect(client.option, server.option, { delayMs: 10 });
    near.advance(100);
    network.transfer("client", 1000);
    expect([near.now, far.now]).toEqual([BEGIN + inMs(network.now + 100), 5n * BEGIN + inMs(network.now)]);
  });
});

describe("a session that is established again", () => {
  test("is told of its timers again", async () => {
    const host = createHost();
    const manager = await ticking(host);
    const session = manager.session({});
    session.establish();
    session.advance(50);
    session.close();
    session.advance(100);
    expect(manager.logged).toEqual(["1030"]);
    session.establish();
    session.advance(50);
    expect(manager.logged).toEqual(["1030", "1180"]);
  });

  test("is a new one: its subflows and its bytes are its own", async () => {
    const { manager } = (await load(
      source(`
import { license, log } from "tsbpf";
import { pathManager } from "tsbpf/mptcp";
license("GPL");
export const manager = pathManager({
  fullyEstablished(session, isMaster) { if (isMaster) { log\`\${session.bytesReceived}\`; session.openSubflow(); } },
});
`),
    )) as { readonly manager: PathManagerUnderTest };
    const session = manager.session({});
    session.establish();
    session.settle();
    session.transfer(500);
    session.close();
    // What became of it can still be seen.
    expect(session.subflows).toMatchObject([{ state: "closed" }]);
    session.establish();
    expect(session.subflows).toMatchObject([{ state: "pending" }]);
    session.settle();
    expect(session.subflows).toMatchObject([{ state: "established" }]);
    expect(session.first).toBe("established");
    expect(manager.logged).toEqual(["0", "0"]);
  });
});
