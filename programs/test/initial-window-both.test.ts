import { ipv4 } from "tsbpf";
import { connect, load } from "tsbpf/testing";
import { describe, expect, test } from "vitest";

const source = new URL("../initial-window-both.ts", import.meta.url);
type Module = typeof import("../initial-window-both.ts");
const near = ipv4("10.1.2.3");
const far = ipv4("10.1.2.4");

describe.each(["mainline", "patched"] as const)("initial window, both ways, on %s", (target) => {
  const open = async () => {
    const client = await load<Module>(source, { target, params: { wantedWindow: 30 } });
    const server = await load<Module>(source, { target, params: { wantedWindow: 40 } });
    return connect(
      client.initialWindowBoth.on({ localIp4: near, remoteIp4: far }),
      server.initialWindowBoth.on({ remoteIp4: near }),
    );
  };
  /** Data segments that left at once with the first one. */
  const flight = (network: Awaited<ReturnType<typeof open>>, from: "client" | "server"): number => {
    const data = network.segments.filter((one) => one.from === from && one.payload > 0);
    return data.filter((one) => one.at === data[0]!.at).length;
  };

  test("the server asks on the SYN-ACK alone, the client from its third ACK on", async () => {
    const network = await open();
    network.transfer("client", 3_000);
    const options = (from: "client" | "server") =>
      network.segments.filter((one) => one.from === from).map((one) => [...one.options]);
    expect(options("server")[0]).toEqual([66, 4, 0, 40]);
    expect(options("server").slice(1).flat()).toEqual([]);
    expect(options("client")[0]).toEqual([]);
    expect(options("client")[1]).toEqual([66, 4, 0, 30]);
  });

  test("the client's first flight is what the server asked for, and the other way round", async () => {
    const network = await open();
    network.transfer("client", 90_000);
    expect(flight(network, "client")).toBe(40);
    const other = await open();
    other.transfer("client", 100);
    other.transfer("server", 90_000);
    expect(flight(other, "server")).toBe(30);
  });

  test.each([
    ["a private one", "fd95::1", 30],
    ["a public one", "2001:db8::1", undefined],
    ["a local one", "fe80::1", undefined],
    ["an IPv4 peer of an IPv6 socket, private", "::ffff:10.1.2.3", 30],
  ])("of IPv6 peers those are trusted that have a private address: %s", async (_, remoteIp6, granted) => {
    const { initialWindowBoth } = await load<Module>(source, { target });
    // As the kernel has it: the address of IPv4 of such a socket, or a local one that nobody has.
    const remoteIp4 = remoteIp6.startsWith("::ffff:") ? near : ipv4("127.0.0.6");
    const server = initialWindowBoth.on({ remoteIp6, remoteIp4 });
    server.established("server");
    server.parse([66, 4, 0, 30]);
    expect(server.sockOpts.TCP_BPF_IW).toBe(granted);
  });
});
