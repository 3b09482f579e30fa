import { createHost, load } from "tsbpf/testing";
import { describe, expect, test } from "vitest";

const source = new URL("../delayed-ack.ts", import.meta.url);
type Module = typeof import("../delayed-ack.ts");

/** What a sender writes with these params. */
async function written(params: {
  readonly rttFraction?: number;
  readonly segmentsPerAck?: number;
}): Promise<Uint8Array> {
  const { delayedAck } = await load<Module>(source, { params });
  delayedAck.established("client");
  return delayedAck.write()!;
}

describe("delayed ACK", () => {
  test("both sides announce half of the minimum RTT and 100 segments", async () => {
    const { delayedAck } = await load<Module>(source);
    for (const side of ["client", "server"] as const) {
      const connection = delayedAck.on();
      connection.established(side);
      expect([...connection.write()!]).toEqual([0x43, 4, 2, 100]);
    }
  });

  test("the params go out, fraction first", async () => {
    expect([...(await written({ rttFraction: 4, segmentsPerAck: 10 }))]).toEqual([0x43, 4, 4, 10]);
  });

  test.each([
    [1, 80_000],
    [2, 40_000],
    [3, 26_666],
    [80, 2000],
    [255, 2000],
  ])("of a minimum RTT of 80 ms, 1/%i is a delay of %i µs: never less than 2 ms", async (fraction, delayUs) => {
    const { delayedAck, stats } = await load<Module>(source);
    delayedAck.established("server", { rttMinUs: 80_000 });
    delayedAck.parse(Uint8Array.of(0x43, 4, fraction, 100));
    expect(delayedAck.sockOpts).toMatchObject({ TCP_DELACK_MAX_US: delayUs, TCP_DELACK_SEGS: 100 });
    expect(stats.get(delayedAck.conn)).toEqual({ requests: 1n, lastDelayUs: delayUs });
  });

  test.each([
    [0, 100],
    [2, 0],
    [0, 0],
  ])("fraction %i with %i segments is no request", async (fraction, segments) => {
    const { delayedAck, stats } = await load<Module>(source);
    delayedAck.established("server", { rttMinUs: 80_000 });
    delayedAck.parse(Uint8Array.of(0x43, 4, fraction, segments));
    expect(delayedAck.sockOpts).toEqual({});
    expect(stats.size).toBe(0);
  });

  test("the receiver sets delay and segments", async () => {
    const bytes = await written({ segmentsPerAck: 8 });
    const { delayedAck, stats } = await load<Module>(source);
    delayedAck.established("server", { rttMinUs: 80_000 });
    delayedAck.parse(bytes);
    expect(delayedAck.sockOpts.TCP_DELACK_SEGS).toBe(8);
    expect(delayedAck.sockOpts.TCP_DELACK_MAX_US).toBe(stats.get(delayedAck.conn)?.lastDelayUs);
  });

  test("the statistics belong to the connection, and go with it", async () => {
    const bytes = await written({});
    const { delayedAck, stats } = await load<Module>(source);
    const [first, second] = [delayedAck.on(), delayedAck.on()];
    for (const connection of [first, second]) connection.established("server", { rttMinUs: 40_000 });
    first.parse(bytes);
    first.parse(bytes);
    second.parse(bytes);
    expect(stats.get(first.conn)?.requests).toBe(2n);
    expect(stats.get(second.conn)?.requests).toBe(1n);
    first.changeState("close");
    expect(stats.get(first.conn)).toBeUndefined();
    expect(stats.size).toBe(1);
  });

  test("a kernel that refuses leaves no statistics", async () => {
    const bytes = await written({});
    const host = createHost();
    const { delayedAck, stats } = await load<Module>(source, { host });
    delayedAck.established("server", { rttMinUs: 40_000 });
    host.fail("setsockopt", -22);
    delayedAck.parse(bytes);
    expect(stats.get(delayedAck.conn)).toBeUndefined();
  });

  test("without memory for statistics the delay is set all the same", async () => {
    const bytes = await written({ segmentsPerAck: 9 });
    const host = createHost();
    const { delayedAck, stats } = await load<Module>(source, { host });
    delayedAck.established("server", { rttMinUs: 40_000 });
    host.fail("sk_storage_get", 0);
    delayedAck.parse(bytes);
    expect(delayedAck.sockOpts.TCP_DELACK_SEGS).toBe(9);
    expect(stats.size).toBe(0);
  });

  test("a retransmission time-out ends the announcements", async () => {
    const { delayedAck } = await load<Module>(source);
    delayedAck.established("client");
    expect(delayedAck.write()).toBeDefined();
    delayedAck.retransmitTimeout();
    expect(delayedAck.write()).toBeUndefined();
  });
});
