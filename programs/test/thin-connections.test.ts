import { htons, ipv4 } from "tsbpf";
import { createHost, load } from "tsbpf/testing";
import { describe, expect, test } from "vitest";

const source = new URL("../thin-connections.ts", import.meta.url);
type Module = typeof import("../thin-connections.ts");
const wifi = ipv4("10.0.1.1");
const lte = ipv4("10.0.2.1");
const ENDS = { localIp4: wifi, remoteIp4: ipv4("192.0.2.1"), remotePort: htons(443) } as const;
const six = "2001:db8:2:0:0:0:0:1";

describe("thin connections", () => {
  const open = async (fields: object = ENDS) => {
    const host = createHost({ localAddresses: [{ addr: wifi }, { addr: lte }, { addr6: six }] });
    const module = await load<Module>(source, {
      host,
      params: { worthBytes: 1000, firstLookMs: 100, longestWaitMs: 300 },
    });
    const session = module.thinConnections.session(fields);
    session.establish();
    return { ...module, host, session };
  };

  test("a connection that carries little keeps its one subflow", async () => {
    const { session, thin } = await open();
    session.transfer(999);
    session.advance(60_000);
    expect(session.subflows).toEqual([]);
    expect(thin.get(session.token)).toBe(300);
  });

  test("one that carries enough gets a subflow from each other address of its family, once", async () => {
    const { session, thin } = await open();
    session.transfer(1000);
    session.advance(99);
    expect(session.subflows).toEqual([]);
    session.advance(1);
    expect(session.subflows).toMatchObject([{ from: { addr: lte } }]);
    session.advance(60_000);
    expect(session.subflows).toHaveLength(1);
    expect(thin.size).toBe(0);
  });

  test("an IPv6 session is opened from IPv6", async () => {
    const { session } = await open({ localIp6: "2001:db8:1::1", remoteIp6: "2001:db8::5", remotePort: htons(443) });
    session.transfer(1000);
    session.advance(100);
    expect(session.subflows.map(({ from }) => from)).toEqual([{ addr6: six }]);
  });

  test("no wait is longer than a timer's longest time", async () => {
    const { thinConnections, thin } = await load<Module>(source, {
      params: { firstLookMs: 0xffff_ffff, longestWaitMs: 0xffff_ffff },
    });
    const session = thinConnections.session(ENDS);
    session.establish();
    expect(thin.get(session.token)).toBe(86_400_000);
    session.advance(86_400_000);
    expect(thin.get(session.token)).toBe(86_400_000);
    expect(thinConnections.history.match(/in 86400000 ms/g)).toHaveLength(2);
  });

  test("it is looked at more and more seldom: after 100, 200, 300, 300 … ms", async () => {
    const { session, thinConnections } = await open();
    const looks = (): number => thinConnections.history.match(/timer, token/g)?.length ?? 0;
    const seen: number[] = [];
    for (let at = 50; at <= 1300; at += 50) {
      const before = looks();
      session.advance(50);
      if (looks() > before) seen.push(at);
    }
    expect(seen).toEqual([100, 300, 600, 900, 1200]);
  });

  test("a server opens nothing; a session that is over is forgotten", async () => {
    const { session, thin } = await open({ ...ENDS, flags: 3 });
    session.transfer(1_000_000);
    session.advance(60_000);
    expect(session.subflows).toEqual([]);
    expect(thin.size).toBe(0);
    const client = await open();
    client.session.close();
    expect(client.thin.size).toBe(0);
  });
});
