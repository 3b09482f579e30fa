import { htons, ipv4 } from "tsbpf";
import { createHost, load } from "tsbpf/testing";
import { describe, expect, test } from "vitest";

const source = new URL("../announce-addresses.ts", import.meta.url);
type Module = typeof import("../announce-addresses.ts");
const first = ipv4("192.0.2.1");
const second = ipv4("192.0.2.2");
const six = "2001:db8:0:0:0:0:0:2";
const SERVER = { localIp4: first, remoteIp4: ipv4("10.0.1.1"), remotePort: htons(50000), flags: 3 } as const;

describe("announce addresses", () => {
  const open = async (fields: object = SERVER) => {
    const host = createHost({ localAddresses: [{ addr: first }, { addr: second }, { addr6: six }] });
    const { announceAddresses } = await load<Module>(source, { host });
    const session = announceAddresses.session(fields);
    session.establish();
    return session;
  };

  test("a server announces its other addresses", async () => {
    expect((await open()).announced).toEqual([{ addr: second }]);
  });
  test("in IPv6, too, where the socket takes them", async () => {
    const session = await open({ ...SERVER, localIp6: "2001:db8::1", remoteIp6: "2001:db8:1::1" });
    expect(session.announced).toContainEqual({ addr6: six });
  });
  test("not where it does not: the request is refused", async () => {
    const session = await open();
    session.localAddress("added", { addr6: "2001:db8::3" });
    expect(session.announced).toEqual([{ addr: second }]);
  });
  test("a client announces none", async () => {
    const session = await open({ ...SERVER, flags: 2 });
    session.localAddress("added", { addr: ipv4("192.0.2.9") });
    expect(session.announced).toEqual([]);
  });
  test("addresses that come are announced, those that go are withdrawn, links that go down are waited for", async () => {
    const session = await open();
    const third = ipv4("192.0.2.3");
    session.localAddress("added", { addr: third });
    session.localAddress("removed", { addr: second });
    expect(session.announced).toEqual([{ addr: third }]);
    session.localAddress("removed", { addr: third, byLink: true });
    expect(session.announced).toEqual([{ addr: third }]);
    session.localAddress("added", { addr: third, byLink: true });
    expect(session.announced).toEqual([{ addr: third }]);
  });
});
