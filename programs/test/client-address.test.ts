import { htons, ipv4, ipv6 } from "tsbpf";
import { connect, load } from "tsbpf/testing";
import { describe, expect, test } from "vitest";

const source = new URL("../client-address.ts", import.meta.url);
type Module = typeof import("../client-address.ts");
const CLIENT = { port: htons(0x1234), addr: ipv4("203.0.113.9") };
const CLIENT6 = { port: htons(0x1234), addr: ipv6("2001:db8::9") };
const WRITTEN = [200, 8, 0x12, 0x34, 203, 0, 113, 9];
const WRITTEN6 = [201, 20, 0x12, 0x34, 0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9];
const PROXY = { localIp4: ipv4("10.0.0.1"), remoteIp4: ipv4("10.0.0.2") } as const;

describe("client address", () => {
  const open = async (trusted: string[] = ["10.0.0.0/8"], path: Parameters<typeof connect>[2] = {}) => {
    const near = await load<Module>(source);
    const far = await load<Module>(source);
    for (const prefix of trusted) far.proxies.set(prefix, 1);
    const network = connect(near.client4.on(PROXY), far.client4.on({}), path);
    return { near, far, network };
  };
  const carried = (
    network: { segments: readonly { from: string; options: Uint8Array }[] },
    from: "client" | "server",
  ) => network.segments.filter((one) => one.from === from).map((one) => [...one.options]);

  test("goes on the third ACK and on the data, until the server has acknowledged some", async () => {
    const { near, far, network } = await open();
    near.clients4.set(network.client.conn, CLIENT);
    network.transfer("client", 5_000);
    network.transfer("client", 20_000);
    const sent = carried(network, "client");
    expect(sent[0]).toEqual([]);
    expect(sent[1]).toEqual(WRITTEN);
    expect(sent[2]).toEqual(WRITTEN);
    expect(sent.at(-1)).toEqual([]);
    expect(carried(network, "server").flat()).toEqual([]);
    expect(far.clients4.get(network.server.conn)).toEqual(CLIENT);
  });

  test("is said again where the third ACK is lost", async () => {
    let acks = 0;
    const { near, far, network } = await open(undefined, {
      pass: ({ from, syn, payload }) => !(from === "client" && !syn && payload === 0 && acks++ === 0),
    });
    near.clients4.set(network.client.conn, CLIENT);
    network.transfer("client", 2_000);
    expect(far.clients4.get(network.server.conn)).toEqual(CLIENT);
  });

  test("a connection whose client nobody named has none", async () => {
    const { far, network } = await open();
    network.transfer("client", 2_000);
    expect(carried(network, "client").flat()).toEqual([]);
    expect(far.clients4.get(network.server.conn)).toBeUndefined();
  });

  test("is believed of proxies alone", async () => {
    for (const trusted of [[], ["192.0.2.0/24", "2001:db8::/32"]]) {
      const { near, far, network } = await open(trusted);
      near.clients4.set(network.client.conn, CLIENT);
      network.transfer("client", 2_000);
      expect(far.clients4.get(network.server.conn)).toBeUndefined();
    }
    const { near, far, network } = await open(["10.0.0.0/8"]);
    far.proxies.set("10.0.0.1/32", 0);
    near.clients4.set(network.client.conn, CLIENT);
    network.transfer("client", 2_000);
    expect(far.clients4.get(network.server.conn)).toBeUndefined();
  });

  test("what was said first stays", async () => {
    const { clients4, client4, proxies } = await load<Module>(source);
    proxies.set("0.0.0.0/0", 1);
    client4.established("server");
    client4.parse(WRITTEN);
    client4.parse([200, 8, 0, 1, 1, 1, 1, 1]);
    expect(clients4.get(client4.conn)).toEqual(CLIENT);
  });

  test("of IPv6, over either family", async () => {
    for (const [fields, prefix] of [
      [PROXY, "10.0.0.0/8"],
      [{ localIp6: "fd00::1", remoteIp6: "fd00::2" }, "fd00::/8"],
    ] as const) {
      const near = await load<Module>(source);
      const far = await load<Module>(source);
      far.proxies.set(prefix, 1);
      const network = connect(near.client6.on(fields), far.client6.on({}));
      near.clients6.set(network.client.conn, CLIENT6);
      network.transfer("client", 2_000);
      expect(carried(network, "client")[1]).toEqual(WRITTEN6);
      expect(far.clients6.get(network.server.conn)).toEqual(CLIENT6);
    }
  });
});
