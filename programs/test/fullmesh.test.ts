import { htons, ipv4 } from "tsbpf";
import { load } from "tsbpf/testing";
import { describe, expect, test } from "vitest";

const source = new URL("../fullmesh.ts", import.meta.url);
type Module = typeof import("../fullmesh.ts");

const wifi = ipv4("10.0.1.1");
const lte = ipv4("10.0.2.1");
const server = ipv4("192.0.2.1");
const server2 = ipv4("192.0.2.2");

/** A host with two addresses, as the daemon would tell it. */
async function twoAddresses() {
  const module = await load<Module>(source);
  module.localAddrs.set(0, { addr: wifi, inUse: 1 });
  module.localAddrs.set(1, { addr: lte, inUse: 1 });
  return module;
}
const fromWifi = { token: 7, localIp4: wifi, remoteIp4: server, remotePort: htons(443) };

describe("fullmesh", () => {
  test("a subflow from every other local address, when the first subflow is up", async () => {
    const { fullmesh } = await twoAddresses();
    fullmesh.emit("newSession", {}, fromWifi);
    fullmesh.emit("fullyEstablished", { isMaster: true }, fromWifi);
    expect(fullmesh.subflows).toEqual([{ from: { addr: lte }, to: { addr: server, port: htons(443) } }]);
  });

  test("further subflows open nothing", async () => {
    const { fullmesh } = await twoAddresses();
    fullmesh.emit("newSession", {}, fromWifi);
    fullmesh.emit("fullyEstablished", { isMaster: false }, fromWifi);
    expect(fullmesh.subflows).toEqual([]);
  });

  test("an address that the peer announces gets a subflow from every local address", async () => {
    const { fullmesh, remoteAddrs } = await twoAddresses();
    fullmesh.emit("newSession", {}, fromWifi);
    fullmesh.emit("addRemoteAddress", { id: 2, addr: server2, port: htons(8443) }, fromWifi);
    expect(remoteAddrs.get(7)?.list[0]).toMatchObject({ addr: server2, port: htons(8443), id: 2, inUse: 1 });
    expect(fullmesh.subflows).toEqual([
      { from: { addr: wifi }, to: { addr: server2, port: htons(8443) } },
      { from: { addr: lte }, to: { addr: server2, port: htons(8443) } },
    ]);
  });

  test("a withdrawn address is forgotten, the others are not", async () => {
    const { fullmesh, remoteAddrs } = await twoAddresses();
    fullmesh.emit("newSession", {}, fromWifi);
    fullmesh.emit("addRemoteAddress", { id: 2, addr: server2, port: htons(443) }, fromWifi);
    fullmesh.emit("addRemoteAddress", { id: 3, addr: ipv4("192.0.2.3"), port: htons(443) }, fromWifi);
    fullmesh.emit("removeRemoteAddress", { id: 2 }, fromWifi);
    expect(
      remoteAddrs
        .get(7)
        ?.list.filter((one) => one.inUse === 1)
        .map((one) => one.id),
    ).toEqual([3]);
  });

  test("a session that ends leaves nothing behind; a new one with its token starts empty", async () => {
    const { fullmesh, remoteAddrs } = await twoAddresses();
    fullmesh.emit("newSession", {}, fromWifi);
    fullmesh.emit("addRemoteAddress", { id: 2, addr: server2, port: htons(443) }, fromWifi);
    expect(remoteAddrs.size).toBe(1);
    fullmesh.emit("closeSession", {}, fromWifi);
    expect(remoteAddrs.size).toBe(0);
    fullmesh.emit("newSession", {}, fromWifi);
    expect(remoteAddrs.get(7)?.list.some((one) => one.inUse === 1)).toBe(false);
  });

  test("sessions do not see each other's addresses", async () => {
    const { fullmesh, remoteAddrs } = await twoAddresses();
    for (const token of [7, 8]) fullmesh.emit("newSession", {}, { ...fromWifi, token });
    fullmesh.emit("addRemoteAddress", { id: 2, addr: server2, port: htons(443) }, { ...fromWifi, token: 8 });
    expect(remoteAddrs.get(7)?.list[0]?.inUse).toBe(0);
    expect(remoteAddrs.get(8)?.list[0]?.inUse).toBe(1);
  });

  test("the mesh of a whole session: 2 × 2 paths", async () => {
    const { fullmesh } = await twoAddresses();
    const session = fullmesh.session(fromWifi);
    session.establish();
    session.announce({ id: 2, addr: server2, port: htons(443) });
    session.settle();
    const paths = session.subflows
      .filter((one) => one.state === "established")
      .map((one) => [one.from?.addr, one.to?.addr]);
    expect(paths).toEqual([
      [lte, server],
      [wifi, server2],
      [lte, server2],
    ]);
    session.withdraw(2);
    expect(session.subflows.map((one) => one.state)).toEqual(["established", "closed", "closed"]);
  });

  test("one instruction budget fits all: far below the kernel's 4096", async () => {
    const { fullmesh } = await twoAddresses();
    const session = fullmesh.session(fromWifi);
    session.establish();
    for (let id = 2; id < 12; id++) session.announce({ id, addr: server2, port: htons(443) });
    expect(fullmesh.steps.max).toBeLessThan(1000);
  });
});
