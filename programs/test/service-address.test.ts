import { htons, ipv4, type be32 } from "tsbpf";
import { load } from "tsbpf/testing";
import { describe, expect, test } from "vitest";

const source = new URL("../service-address.ts", import.meta.url);
type Module = typeof import("../service-address.ts");
const nobody = ipv4("0.0.0.0");
const asked = { remoteIp4: ipv4("10.96.0.1"), remotePort: htons(443) };
const key4 = { addr: ipv4("10.96.0.1"), port: htons(443), zero: 0 };
const backend4 = {
  addr: ipv4("192.0.2.7"),
  port: htons(8443),
  up: 1,
  source: nobody,
  lastPid: 0,
  connections: 0n,
};

describe("service address", () => {
  test("other addresses are left alone", async () => {
    const { service, backends4 } = await load<Module>(source);
    backends4.set(key4, backend4);
    const other = { remoteIp4: ipv4("10.96.0.1"), remotePort: htons(80) };
    expect(service.connect4(other)).toMatchObject({ allowed: true, ...other, source: undefined });
  });

  test("a service is reached at its backend, and counted", async () => {
    const { service, backends4 } = await load<Module>(source);
    backends4.set(key4, backend4);
    const made = service.connect4({ ...asked, pid: 4711 });
    expect(made).toMatchObject({ allowed: true, remoteIp4: ipv4("192.0.2.7"), remotePort: htons(8443) });
    service.connect4(asked);
    expect(backends4.get(key4)).toMatchObject({ connections: 2n, lastPid: 1000 });
  });

  test("from the source address that the backend expects; where that is not ours, it is refused", async () => {
    const { service, backends4 } = await load<Module>(source);
    backends4.set(key4, { ...backend4, source: ipv4("192.0.2.99") });
    expect(service.connect4(asked).source).toEqual({ addr: ipv4("192.0.2.99"), port: htons(0) });
    expect(service.connect4({ ...asked, bindErrno: -99 }).allowed).toBe(false);
    expect(backends4.get(key4)?.connections).toBe(1n);
  });

  test("a service that is down is refused, and the log says who asked", async () => {
    const { service, backends4 } = await load<Module>(source);
    backends4.set(key4, { ...backend4, up: 0 });
    expect(service.connect4({ ...asked, pid: 12, uid: 34 }).allowed).toBe(false);
    expect(service.logged).toEqual(["process 12 of user 34 wants a service that is down (port 443)"]);
  });

  test("IPv6 likewise", async () => {
    const { service, backends6 } = await load<Module>(source);
    const zero = ipv4("0.0.0.0");
    // 2001:db8::1 and ::2, as words.
    const words = (last: be32): [be32, be32, be32, be32] => [ipv4("32.1.13.184"), zero, zero, last];
    const key = { addr: words(ipv4("0.0.0.1")), port: htons(443), zero: 0 };
    const to = { addr: words(ipv4("0.0.0.2")), port: htons(8443), up: 1, lastPid: 0, connections: 0n };
    backends6.set(key, to);
    expect(service.connect6({ remoteIp6: "2001:db8::1", remotePort: htons(443) })).toMatchObject({
      allowed: true,
      remoteIp6: "2001:db8::2",
      remotePort: htons(8443),
    });
    expect(service.connect6({ remoteIp6: "2001:db8::3", remotePort: htons(443) }).remoteIp6).toBe("2001:db8::3");
  });
});
