import { connect, load, type Treatment } from "tsbpf/testing";
import { describe, expect, test } from "vitest";

const source = new URL("../telemetry.ts", import.meta.url);
type Module = typeof import("../telemetry.ts");

/** A switch: writes what it has measured where that is more than what is there, as TCP-INT says. */
const busy =
  (value: number, hop: number, latency: number, from: "client" | "server" = "client") =>
  (segment: { readonly from: string; readonly options: Uint8Array }): Treatment | undefined => {
    const { options } = segment;
    if (segment.from !== from || options[0] !== 0x72 || options[3]! >= value) return undefined;
    const measured = [
      0x72,
      12,
      (options[2]! & 0xf0) | 4,
      value,
      hop,
      latency >> 16,
      (latency >> 8) & 0xff,
      latency & 0xff,
    ];
    return { options: [...measured, ...options.slice(8)] };
  };

describe.each(["mainline", "patched"] as const)("telemetry on %s", (target) => {
  const open = async (
    params: { tagFrequencyKey?: number; threshold?: number } = {},
    path: Parameters<typeof connect>[2] = {},
  ) => {
    const near = await load<Module>(source, { target, params });
    const far = await load<Module>(source, { target, params });
    return { near, far, network: connect(near.telemetry, far.telemetry, path) };
  };

  test("without a switch on the way the option is its tag and zeros, on every segment but the SYNs", async () => {
    const { near, network } = await open({ tagFrequencyKey: 5 });
    network.transfer("client", 5_000);
    const [, , ...rest] = network.segments;
    for (const { options } of rest) expect(options).toEqual(Uint8Array.of(0x72, 12, 0x50, 0, 0, 0, 0, 0, 0, 0, 0, 0));
    expect(near.paths.get(network.client.conn)).toBeUndefined();
  });

  test("what the busiest switch wrote comes back to the sender with the ACKs", async () => {
    const { near, far, network } = await open({ threshold: 100 }, { middlebox: busy(200, 61, 0x012345) });
    network.transfer("client", 30_000);
    // HopID 61 is 0x3d, of which 4 bits come back; of the latency the upper 16 of 24 bits.
    expect(near.paths.get(network.client.conn)).toMatchObject({ value: 200, link: 4, hop: 0xd, latency: 0x0123 });
    const reports = near.reports.records();
    expect(reports.length).toBeGreaterThan(3);
    expect(reports[0]).toMatchObject({
      value: 200,
      hop: 0xd,
      latency: 0x0123,
      remotePort: network.client.conn.remotePort,
    });
    const echo = network.segments.filter(({ from }) => from === "server").at(-1)!;
    expect(echo.options).toEqual(Uint8Array.of(0x72, 12, 0x10, 0, 0, 0, 0, 0, 200, 0x4d, 0x01, 0x23));
    // The way back has no switch.
    expect(far.paths.get(network.server.conn)).toBeUndefined();
    expect(far.reports.records()).toEqual([]);
  });

  test("what is below the threshold is kept, and not reported", async () => {
    const { near, network } = await open({ threshold: 201 }, { middlebox: busy(200, 61, 1) });
    network.transfer("client", 5_000);
    expect(near.paths.get(network.client.conn)).toMatchObject({ value: 200 });
    expect(near.reports.records()).toEqual([]);
  });

  test("a middlebox that strips the option leaves the connection as it was", async () => {
    const { near, network } = await open({}, { strip: [0x72] });
    network.transfer("client", 30_000);
    expect(near.paths.get(network.client.conn)).toBeUndefined();
  });
});
