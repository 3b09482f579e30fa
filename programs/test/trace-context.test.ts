import { connect, load } from "tsbpf/testing";
import { describe, expect, test } from "vitest";

const source = new URL("../trace-context.ts", import.meta.url);
type Module = typeof import("../trace-context.ts");
const open = (params: { enabled?: number } = {}) => load<Module>(source, { target: "mainline", params });
const bytes = (from: number, count: number): number[] => Array.from({ length: count }, (_, at) => (from + at) & 0xff);
const context = { traceId: bytes(0x10, 16), spanId: bytes(0xa0, 8) };
const option = Uint8Array.of(25, 26, ...context.traceId, ...context.spanId);

describe("trace context", () => {
  test("segments with data carry what the process has set, as long as it is set", async () => {
    const { traceContext, outgoing } = await open();
    traceContext.established("client");
    expect(traceContext.send(100)).toBeUndefined();
    outgoing.set(traceContext.conn, context as never);
    expect(traceContext.send(100)).toEqual(option);
    expect(traceContext.write()).toBeUndefined();
    expect(traceContext.send(100)).toEqual(option);
    outgoing.delete(traceContext.conn);
    expect(traceContext.send(100)).toBeUndefined();
  });

  test("the peer keeps what came last", async () => {
    const { traceContext, incoming } = await open();
    traceContext.established("server");
    traceContext.parse(option);
    expect(incoming.get(traceContext.conn)).toEqual(context);
    traceContext.parse(Uint8Array.of(25, 26, ...bytes(1, 24)));
    expect(incoming.get(traceContext.conn)).toEqual({ traceId: bytes(1, 16), spanId: bytes(17, 8) });
  });

  test.each([
    ["shorter", Uint8Array.of(25, 18, ...bytes(1, 16))],
    ["empty", Uint8Array.of(25, 2)],
    ["longer", Uint8Array.of(25, 28, ...bytes(1, 26))],
  ])("an option that is %s is none", async (_, other) => {
    const { traceContext, incoming } = await open();
    traceContext.established("server");
    traceContext.parse(other);
    expect(incoming.get(traceContext.conn)).toBeUndefined();
  });

  test("from one end to the other, on data alone; a SYN has no room for it", async () => {
    const { traceContext, outgoing } = await open();
    const server = await open();
    const network = connect(traceContext, server.traceContext);
    network.open();
    outgoing.set(network.client.conn, context as never);
    network.transfer("client", 3_000);
    expect(server.incoming.get(network.server.conn)).toEqual(context);
    for (const segment of network.segments)
      expect(segment.options).toEqual(segment.from === "client" && segment.payload > 0 ? option : new Uint8Array());
  });

  test("off means off in both directions", async () => {
    const off = await open({ enabled: 0 });
    const on = await open();
    for (const [near, far] of [
      [off, on],
      [on, off],
    ] as const) {
      const network = connect(near.traceContext.on({}), far.traceContext.on({}));
      network.open();
      near.outgoing.set(network.client.conn, context as never);
      network.transfer("client", 3_000);
      const carried = network.segments.filter(({ options }) => options[0] === 25);
      expect(carried.length > 0).toBe(near === on);
      expect(far.incoming.get(network.server.conn)).toBeUndefined();
    }
  });

  /** A path that drops what carries the option, from the n-th such segment on. */
  const dropping = async (from: number) => {
    const { traceContext, outgoing } = await open();
    const server = await open();
    let seen = 0;
    const network = connect(traceContext, server.traceContext, {
      pass: ({ options }) => options[0] !== 25 || seen++ < from,
    });
    network.open();
    outgoing.set(network.client.conn, context as never);
    return { network, server };
  };

  test("a path that drops segments which carry it gets the data without", async () => {
    const { network, server } = await dropping(0);
    network.transfer("client", 3_000);
    expect(server.incoming.get(network.server.conn)).toBeUndefined();
    const carried = (): number => network.segments.filter(({ options }) => options[0] === 25).length;
    const before = carried();
    expect(before).toBeGreaterThan(2);
    network.transfer("client", 3_000);
    expect(carried()).toBe(before);
    expect(network.server.conn.bytesReceived).toBe(6_000n);
  });

  test("losses later on say nothing of the path", async () => {
    const { traceContext, outgoing } = await open();
    const server = await open();
    let lost = 0;
    const network = connect(traceContext, server.traceContext, {
      pass: ({ from, payload }) => !(from === "client" && payload === 700 && lost++ < 4),
    });
    network.open();
    outgoing.set(network.client.conn, context as never);
    network.transfer("client", 500);
    network.transfer("client", 700);
    expect(lost).toBe(5);
    network.transfer("client", 500);
    expect(network.segments.filter(({ from }) => from === "client").at(-1)!.options).toEqual(option);
  });
});
