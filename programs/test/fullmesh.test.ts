import { htons, ipv4 } from "tsbpf";
import { createHost, load } from "tsbpf/testing";
import { describe, expect, test } from "vitest";

const source = new URL("../fullmesh.ts", import.meta.url);
type Module = typeof import("../fullmesh.ts");

const wifi = ipv4("10.0.1.1");
const lte = ipv4("10.0.2.1");
const server = ipv4("192.0.2.1");
const server2 = ipv4("192.0.2.2");

/** A host with two addresses. */
const twoAddresses = () =>
  load<Module>(source, { host: createHost({ localAddresses: [{ addr: wifi }, { addr: lte }] }) });
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

  test("an address announced twice, or under another id, is meshed once", async () => {
    const { fullmesh } = await twoAddresses();
    const session = fullmesh.session(fromWifi);
    session.establish();
    session.announce({ id: 2, addr: server2, port: htons(443) });
    const once = session.subflows.length;
    session.announce({ id: 2, addr: server2, port: htons(443) });
    session.announce({ id: 3, addr: server2 });
    session.announce({ id: 4, addr: server });
    expect(session.subflows).toHaveLength(once);
    session.announce({ id: 5, addr: server2, port: htons(8443) });
    expect(session.subflows).toHaveLength(once + 2);
  });

  test("a local address that comes later is joined to every address of the peer; one that goes takes its subflows", async () => {
    const { fullmesh } = await twoAddresses();
    const session = fullmesh.session(fromWifi);
    session.establish();
    session.announce({ id: 2, addr: server2, port: htons(8443) });
    session.settle();
    const before = session.subflows.length;
    const ethernet = ipv4("10.0.3.1");
    session.localAddress("added", { addr: ethernet });
    session.settle();
    expect(session.subflows.slice(before).map(({ from, to, state }) => ({ from, to, state }))).toEqual([
      { from: { addr: ethernet }, to: { addr: server, port: htons(443) }, state: "established" },
      { from: { addr: ethernet }, to: { addr: server2, port: htons(8443) }, state: "established" },
    ]);
    session.localAddress("removed", { addr: lte });
    const open = session.subflows.filter((one) => one.state === "established");
    expect(open.map((one) => one.from?.addr)).toEqual([wifi, ethernet, ethernet]);
    session.localAddress("added", { addr: lte });
    session.settle();
    expect(session.subflows.filter((one) => one.state === "established")).toHaveLength(5);
  });

  test("what the peer withdrew is not joined to a local address that comes later", async () => {
    const { fullmesh } = await twoAddresses();
    const session = fullmesh.session(fromWifi);
    session.establish();
    session.announce({ id: 2, addr: server2, port: htons(8443) });
    session.withdraw(2);
    session.withdraw(0);
    const before = session.subflows.length;
    session.localAddress("added", { addr: ipv4("10.0.3.1") });
    expect(session.subflows).toHaveLength(before);
  });

  describe("IPv6", () => {
    const wifi6 = "2001:db8:1::1";
    const lte6 = "2001:db8:2::1";
    const there6 = { token: 7, localIp6: wifi6, remoteIp6: "2001:db8::5", remotePort: htons(443) };
    /** Subflow addresses come back as the model writes them: every word. */
    const long = (text: string) => text.replace("::", ":" + "0:".repeat(9 - text.split(":").length));
    const bothFamilies = () =>
      load<Module>(source, {
        host: createHost({ localAddresses: [{ addr: wifi }, { addr: lte }, { addr6: wifi6 }, { addr6: lte6 }] }),
      });

    test("addresses are joined to those of their own family", async () => {
      const { fullmesh } = await bothFamilies();
      const session = fullmesh.session(there6);
      session.establish();
      expect(session.subflows.map(({ from, to }) => [from, to])).toEqual([
        [{ addr6: long(lte6) }, { addr6: long("2001:db8::5"), port: htons(443) }],
      ]);
      session.announce({ id: 2, addr6: "2001:db8::6" });
      session.announce({ id: 3, addr: server2 });
      expect(session.subflows.slice(1).map(({ from, to }) => [from, to])).toEqual([
        [{ addr6: long(wifi6) }, { addr6: long("2001:db8::6"), port: htons(443) }],
        [{ addr6: long(lte6) }, { addr6: long("2001:db8::6"), port: htons(443) }],
        [{ addr: wifi }, { addr: server2, port: htons(443) }],
        [{ addr: lte }, { addr: server2, port: htons(443) }],
      ]);
    });

    test("a session of IPv6 does not mix up its peer's addresses when they are announced twice", async () => {
      const { fullmesh } = await bothFamilies();
      const session = fullmesh.session(there6);
      session.establish();
      session.announce({ id: 2, addr6: "2001:db8::6" });
      const once = session.subflows.length;
      session.announce({ id: 3, addr6: "2001:db8::6" });
      session.announce({ id: 4, addr6: "2001:db8::5" });
      expect(session.subflows).toHaveLength(once);
    });

    test("local addresses come and go", async () => {
      const { fullmesh } = await bothFamilies();
      const session = fullmesh.session(there6);
      session.establish();
      session.settle();
      session.localAddress("added", { addr6: "2001:db8:3::1" });
      session.localAddress("added", { addr: ipv4("10.0.3.1") });
      session.settle();
      expect(session.subflows.map((one) => one.from)).toEqual([
        { addr6: long(lte6) },
        { addr6: long("2001:db8:3::1") },
      ]);
      session.localAddress("removed", { addr6: lte6 });
      expect(session.subflows.map((one) => one.state)).toEqual(["closed", "established"]);
    });

    test("IPv4 in an IPv6 socket is IPv4", async () => {
      const { fullmesh } = await bothFamilies();
      const session = fullmesh.session({
        ...fromWifi,
        localIp6: "::ffff:a00:101",
        remoteIp6: "::ffff:c000:201",
      });
      session.establish();
      expect(session.subflows.map(({ from, to }) => [from, to])).toEqual([
        [{ addr: lte }, { addr: server, port: htons(443) }],
      ]);
    });
  });

  test("the server's side opens nothing: nobody listens on a client's port", async () => {
    const { fullmesh } = await twoAddresses();
    const session = fullmesh.session({ ...fromWifi, flags: 1 });
    session.establish();
    session.announce({ id: 2, addr: server2 });
    session.localAddress("added", { addr: ipv4("10.0.3.1") });
    expect(session.subflows).toEqual([]);
  });

  test("a session beyond those that the map holds is said to be left alone; the next after an end is meshed", async () => {
    const { fullmesh, remoteAddrs } = await twoAddresses();
    for (let token = 1; token <= 1024; token++) fullmesh.emit("newSession", {}, { ...fromWifi, token });
    expect(fullmesh.logged).toEqual([]);
    fullmesh.emit("newSession", {}, { ...fromWifi, token: 5000 });
    expect(fullmesh.logged).toEqual(["no room for session 5000: not meshed"]);
    fullmesh.emit("fullyEstablished", { isMaster: true }, { ...fromWifi, token: 5000 });
    expect(fullmesh.subflows).toEqual([]);
    fullmesh.emit("closeSession", {}, { ...fromWifi, token: 3 });
    fullmesh.emit("newSession", {}, { ...fromWifi, token: 5001 });
    fullmesh.emit("fullyEstablished", { isMaster: true }, { ...fromWifi, token: 5001 });
    expect(fullmesh.subflows).toHaveLength(1);
    expect(remoteAddrs.get(5000)).toBeUndefined();
    expect(fullmesh.logged).toHaveLength(1);
  });

  test("what has gone is joined to nothing that the peer announces later", async () => {
    const { fullmesh } = await twoAddresses();
    const session = fullmesh.session(fromWifi);
    session.establish();
    session.localAddress("removed", { addr: lte, byLink: true });
    session.announce({ id: 2, addr: server2, port: htons(443) });
    expect(session.subflows.slice(1).map(({ from }) => from)).toEqual([{ addr: wifi }]);
    session.localAddress("added", { addr: lte, byLink: true });
    session.announce({ id: 3, addr: ipv4("192.0.2.3"), port: htons(443) });
    expect(session.subflows.slice(-2).map(({ from }) => from)).toEqual([{ addr: wifi }, { addr: lte }]);
  });

  test("one instruction budget fits all: far below the kernel's 4096", async () => {
    const { fullmesh } = await twoAddresses();
    const session = fullmesh.session(fromWifi);
    session.establish();
    for (let id = 2; id < 12; id++) session.announce({ id, addr: server2, port: htons(443) });
    expect(fullmesh.steps.max).toBeLessThan(1000);
  });
});
