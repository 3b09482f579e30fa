/** Middleboxes of the model: what they do to segments, and what programs see of it. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, load, type MapUnderTest, type PathOptions, type TcpOptionUnderTest } from "tsbpf/testing";
import { afterAll, expect, test } from "vitest";

const folder = mkdtempSync(join(tmpdir(), "tsbpf-middleboxes-"));
afterAll(() => rmSync(folder, { recursive: true }));
const path = join(folder, "mark.ts");
writeFileSync(
  path,
  `import { ArrayMap, license, struct, u32, u8 } from "tsbpf";
import { tcpOption } from "tsbpf/tcp";
license("GPL");
class Mark extends struct({ value: u8, more: u8 }) {}
/** Arrived, and the last value; shorter, as long, longer ones do not count. */
export const seen = new ArrayMap({ value: u32, maxEntries: 2 });
export const mark = tcpOption({
  kind: 100,
  payload: Mark,
  established(conn) { conn.startWriting(); },
  write(conn, option) { option.value = 7; },
  parse(conn, option) {
    seen.set(0, seen.get(0) + 1);
    seen.set(1, option.value);
  },
});
`,
);
interface Loaded {
  mark: TcpOptionUnderTest;
  seen: MapUnderTest<number, number>;
}
const open = async (options: PathOptions) => {
  const [near, far] = [await load<Loaded>(path), await load<Loaded>(path)];
  return { near, far, network: connect(near.mark, far.mark, options) };
};
const isData = ({ from, payload }: { from: string; payload: number }): boolean => from === "client" && payload > 0;

test("a segment that arrives twice is parsed twice, and its data counts once", async () => {
  const { far, network } = await open({ middlebox: (one) => (isData(one) ? "duplicate" : undefined) });
  network.transfer("client", 1_000);
  expect(network.segments.filter(({ fate }) => fate === "duplicated")).toHaveLength(1);
  expect(network.server.conn.bytesReceived).toBe(1_000n);
  // The third ACK, and the data, which ends where it was acknowledged: it is looked at again.
  expect(far.seen.get(0)).toBe(3);
});

test.each([
  ["as long", [100, 4, 9, 0], 9],
  ["shorter", [100, 3, 9], 7],
  ["longer", [100, 5, 9, 9, 9], 7],
])("options that are rewritten are those that arrive: %s", async (_, options, last) => {
  const { far, network } = await open({ middlebox: (one) => (isData(one) ? { options } : undefined) });
  network.transfer("client", 1_000);
  expect(far.seen.get(1)).toBe(last);
  expect(network.segments.filter(({ fate }) => fate === "rewritten")).toHaveLength(1);
});

test("what is dropped is sent again, without its option where the box minds that", async () => {
  let dropped = 0;
  const { network } = await open({
    middlebox: (one) => (isData(one) && one.options.length > 0 && dropped++ < 2 ? "drop" : undefined),
  });
  network.transfer("client", 1_000);
  expect(network.client.conn.totalRetrans).toBeGreaterThan(0);
  expect(network.segments.filter(({ fate }) => fate === "lost")).toHaveLength(2);
});

test("a connection that is reset is over at both ends", async () => {
  const { network } = await open({ middlebox: (one) => (isData(one) ? "reset" : undefined) });
  network.open();
  network.transfer("client", 10_000);
  expect([network.client.conn.state, network.server.conn.state]).toEqual(["close", "close"]);
  expect(network.server.conn.bytesReceived).toBe(0n);
  expect(() => network.transfer("server", 10)).toThrow("the connection was reset");
  network.close();
});

test("one that is reset while it is made does not open", async () => {
  const { network } = await open({ middlebox: ({ syn, ack }) => (syn && ack ? "reset" : undefined) });
  expect(() => network.open()).toThrow("reset while it was made");
});

test("a middlebox that gives more options than a header has is told so", async () => {
  const { network } = await open({ middlebox: () => ({ options: new Uint8Array(41) }) });
  expect(() => network.open()).toThrow("at most 40 bytes");
});
