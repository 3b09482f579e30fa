/** The life of an option in the model: what a segment is said to be, whose SYN is at hand, who speaks for a request. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  connect,
  load,
  type MapUnderTest,
  type NetworkUnderTest,
  type SockOpsUnderTest,
  type TcpOptionUnderTest,
} from "tsbpf/testing";
import { afterAll, describe, expect, test } from "vitest";

const folder = mkdtempSync(join(tmpdir(), "tsbpf-option-life-"));
afterAll(() => rmSync(folder, { recursive: true }));
let files = 0;
function source(text: string): string {
  const path = join(folder, `life${files++}.ts`);
  writeFileSync(path, `import { ArrayMap, i32, license, struct, u32, u8 } from "tsbpf";\nlicense("GPL");\n${text}`);
  return path;
}
interface Loaded {
  readonly life: TcpOptionUnderTest;
  readonly arrived: MapUnderTest<number, number>;
}
const NEW = 0;
const AGAIN = 1;
/** An option on every segment, whose handlers may count in `arrived`. */
const option = (handlers: string, listening = ""): Promise<Loaded> =>
  load<Loaded>(
    source(`
import { tcpOption } from "tsbpf/tcp";
class Mark extends struct({ value: u8 }) {}
class Flags extends struct({ ports: u32, seq: u32, ack: u32, words: u8, flags: u8 }) {}
export const arrived = new ArrayMap({ value: u32, maxEntries: 2 });
const count = (index: u32): void => { arrived.set(index, (arrived.get(index) ?? 0) + 1); };
export const life = tcpOption({
  kind: 100,
  payload: Mark,
  connecting(conn) { conn.startWriting(); },
  listening(conn) { conn.startWriting(); ${listening} },
  ${handlers}
});
`),
    { target: "mainline" },
  );
type Network = NetworkUnderTest<TcpOptionUnderTest, TcpOptionUnderTest>;
const bytesOf = (network: Network, from: "client" | "server"): readonly (number | undefined)[] =>
  network.segments.filter((one) => one.from === from).map(({ options }) => options[2]);

describe("segment.retransmitted", () => {
  const TELLS = `
  write(conn, option, segment) { option.value = segment.retransmitted ? 2 : 1; },
  parse(conn, option, segment) {
    count(segment.retransmitted ? ${AGAIN} : ${NEW});
  },`;

  test("on a path that loses nothing, of no segment", async () => {
    const [client, server] = [await option(TELLS), await option(TELLS)];
    const network = connect(client.life, server.life);
    network.transfer("client", 5_000);
    network.transfer("server", 5_000);
    network.close();
    for (const from of ["client", "server"] as const)
      expect(bytesOf(network, from)).toEqual(bytesOf(network, from).map(() => 1));
    for (const { arrived } of [client, server]) {
      expect(arrived.get(AGAIN)).toBe(0);
      expect(arrived.get(NEW)).toBeGreaterThan(5);
    }
  });

  test("of what is sent again: a SYN, and data; new data and ACKs behind it are new", async () => {
    const [client, server] = [await option(TELLS), await option(TELLS)];
    let syns = 0;
    let data = 0;
    const network = connect(client.life, server.life, {
      pass: ({ from, syn, payload }) =>
        !(from === "client" && ((syn && syns++ === 0) || (payload > 0 && data++ === 1))),
    });
    network.transfer("client", 10_000);
    network.transfer("server", 2_000);
    const ofClient = network.segments.filter(({ from }) => from === "client");
    const total = ofClient.reduce((sum, { payload }) => sum + payload, 0);
    expect(total).toBeGreaterThan(10_000);
    const again = ofClient.filter(({ options }) => options[2] === 2);
    expect(again.filter(({ syn }) => syn)).toHaveLength(1);
    expect(again.reduce((sum, { payload }) => sum + payload, 0)).toBe(total - 10_000);
    expect(bytesOf(network, "server")).not.toContain(2);
  });

  test("of a view's connection, whatever its sequence numbers", async () => {
    const { life, arrived } = await option(TELLS);
    life.connecting({ sndNxt: 1_000 });
    life.established("client", { sndNxt: 1_001, rcvNxt: 2_000 });
    life.parse([100, 3, 1]);
    expect(arrived.get(AGAIN)).toBe(0);
    expect(arrived.get(NEW)).toBe(1);
    expect(life.write()).toEqual(Uint8Array.of(100, 3, 1));
  });
});

describe("the SYN", () => {
  const READS = `
  write(conn, option, segment) {
    if (!segment.syn || !segment.ack) return;
    const header = conn.getSockOpt("TCP_BPF_SYN", Flags);
    option.value = (conn.synOption(100, Mark) ? 1 : 0) | (header && header.flags === 2 ? 2 : 0);
  },`;
  const answers = async (listening?: string): Promise<readonly (number | undefined)[]> => {
    const [client, server] = [await option(READS, listening), await option(READS, listening)];
    let first = true;
    const pass = ({ syn, ack }: { readonly syn: boolean; readonly ack: boolean }): boolean => {
      const lost = syn && ack && first;
      if (lost) first = false;
      return !lost;
    };
    const network = connect(client.life, server.life, { pass });
    network.open();
    return bytesOf(network, "server");
  };

  test("is at hand for the first SYN-ACK, and gone when it is sent again", async () => {
    expect(await answers()).toEqual([3, 0]);
  });
  test("stays where the listener saves it", async () => {
    expect(await answers('conn.setSockOpt("TCP_SAVE_SYN", 1);')).toEqual([3, 3]);
  });
});

describe("a SYN cookie", () => {
  const TELLS = `
  established(conn, side) {
    if (side === "server" && conn.synOption(100, Mark)) count(${AGAIN});
  },
  write(conn, option, segment) {
    option.value = (segment.cookie ? 1 : 0) | (segment.syn && segment.ack && conn.synOption(100, Mark) ? 2 : 0);
  },`;
  const SAVES = 'conn.setSockOpt("TCP_SAVE_SYN", 1);';

  test("is told of each SYN-ACK, with its SYN at hand; of the connection nothing was saved", async () => {
    const [client, server] = [await option(TELLS, SAVES), await option(TELLS, SAVES)];
    let lost = 0;
    const pass = ({ syn, ack }: { readonly syn: boolean; readonly ack: boolean }): boolean =>
      !(syn && ack && lost++ === 0);
    const network = connect(client.life, server.life, { pass, synCookies: true });
    network.transfer("client", 100);
    expect(bytesOf(network, "server").slice(0, 2)).toEqual([3, 3]);
    expect(bytesOf(network, "client")).not.toContain(1);
    expect(server.arrived.get(AGAIN)).toBe(0);
    expect(network.server.conn.bytesReceived).toBe(100n);
  });

  test("without them the SYN-ACK says so, and what the listener saves is there", async () => {
    const [client, server] = [await option(TELLS, SAVES), await option(TELLS, SAVES)];
    const network = connect(client.life, server.life);
    network.open();
    expect(bytesOf(network, "server")[0]).toBe(2);
    expect(server.arrived.get(AGAIN)).toBe(1);
  });
});

describe("TCP_NODELAY, which sends, while a segment is made", () => {
  const EOPNOTSUPP = -95;
  const MODULE = { patched: "mptcp", "linux-6.1": "tcp" } as const;
  const asked = async (target: keyof typeof MODULE): Promise<SockOpsUnderTest> =>
    (
      await load<{ asked: SockOpsUnderTest }>(
        source(`
import { sockOps } from "tsbpf/${MODULE[target]}";
import { type TcpConn } from "tsbpf/tcp";
const quick = (conn: TcpConn): i32 => conn.setSockOpt("TCP_NODELAY", true);
export const asked = sockOps((ctx) => {
  ctx.reply = ctx.localPort === 1 ? quick(ctx) : ctx.setSockOpt("TCP_NODELAY", true);
  return 1;
});
`),
        { target },
      )
    ).asked;

  test.each([
    ["HeaderOptionLength", "linux-6.1"],
    ["WriteHeaderOption", "linux-6.1"],
    ["OptionsSize", "patched"],
    ["OptionsWrite", "patched"],
  ] as const)("is not done in %s, whoever asks", async (event, target) => {
    const program = await asked(target);
    for (const localPort of [1, 2]) expect(program.event(event, {}, { localPort }).reply).toBe(EOPNOTSUPP);
    expect(program.sockOpts).toEqual({});
  });
  test("is done in other events", async () => {
    const program = await asked("linux-6.1");
    for (const localPort of [1, 2]) expect(program.event("ParseHeaderOption", {}, { localPort }).reply).toBe(0);
    expect(program.sockOpts).toEqual({ TCP_NODELAY: true });
  });
});
