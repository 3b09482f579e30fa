/** Addresses and structs as params, and tries of each family. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ipv4, ipv6, type be32, type Ip6 } from "tsbpf";
import { load, type PathManagerUnderTest, type SockOpsUnderTest, type TrieUnderTest } from "tsbpf/testing";
import { afterAll, describe, expect, test } from "vitest";

const folder = mkdtempSync(join(tmpdir(), "tsbpf-addresses-"));
afterAll(() => rmSync(folder, { recursive: true }));
const path = join(folder, "program.ts");
writeFileSync(
  path,
  `import { array, be16, be32, htons, Ip6, IpTrie, ipv4, Ipv4Trie, ipv6, Ipv6Trie, license, param, struct, u32 } from "tsbpf";
import { Op, sockOps } from "tsbpf/tcp";
license("GPL");
class Limits extends struct({ low: u32, high: u32, gateway: be32 }) {}
class Peer extends struct({ addr: Ip6, port: be16 }) {}
export const gateway = param(be32, ipv4("10.0.0.1"));
export const server = param(Ip6, ipv6("2001:db8::1"));
export const limits = param(Limits, { low: 1, high: 9, gateway: ipv4("10.0.0.2") });
export const weights = param(array(u32, 3), [5, 6, 7]);
export const peer = param(Peer, new Peer({ port: htons(443) }));
export const four = new Ipv4Trie({ value: u32, maxEntries: 4 });
export const six = new Ipv6Trie({ value: u32, maxEntries: 4 });
export const both = new IpTrie({ value: u32, maxEntries: 4 });

function isPeer(addr: Ip6): boolean {
  const wanted = peer.addr;
  return addr[0] === wanted[0] && addr[3] === wanted[3];
}

export const watch = sockOps((ctx) => {
  switch (ctx.op) {
    case Op.TcpConnect:
      ctx.reply = 0;
      if (ctx.remoteIp4 === gateway) ctx.reply = 1;
      else if (ctx.remoteIp4 === limits.gateway) ctx.reply = 2;
      else if (ctx.remoteIp6[3] === server[3] && ctx.remoteIp6[0] === server[0]) ctx.reply = 3;
      else if (isPeer(ctx.remoteIp6)) ctx.reply = 4;
      break;
    case Op.Rtt:
      ctx.reply = 0;
      if (ctx.sndCwnd >= limits.low && ctx.sndCwnd <= limits.high) ctx.reply = 1;
      if (ctx.sndCwnd === weights[1]) ctx.reply = 2;
      break;
    case Op.ActiveEstablished: {
      const hit = ctx.family === 2 ? both.get(ctx.remoteIp4) : both.get(ctx.remoteIp6);
      ctx.reply = 0;
      if (hit !== undefined && hit === 7) ctx.reply = 7;
      break;
    }
    case Op.PassiveEstablished: {
      const one = four.get(ctx.remoteIp4);
      const other = six.get(ctx.remoteIp6);
      ctx.reply = 0;
      if (one !== undefined && one === 4) ctx.reply = 4;
      if (other !== undefined && other === 6) ctx.reply = 6;
      break;
    }
  }
  return 1;
});
`,
);
interface Watch {
  watch: SockOpsUnderTest;
  gateway: be32;
  server: Ip6;
  limits: object;
  four: TrieUnderTest<number>;
  six: TrieUnderTest<number, Ip6>;
  both: TrieUnderTest<number, be32 | Ip6>;
}

describe.each(["interpreter", "translator"] as const)("%s", (engine) => {
  const open = (params: Record<string, unknown> = {}): Promise<Watch> =>
    load(path, { engine, params: params as never }) as unknown as Promise<Watch>;
  const to = (addr: string): object =>
    addr.includes(":") ? { remoteIp6: addr } : { remoteIp4: ipv4(addr as "0.0.0.0") };

  test("params have the values of the source", async () => {
    const { watch, gateway, server, limits } = await open();
    const reply = (addr: string): number => watch.event("TcpConnect", {}, to(addr)).reply;
    expect(["10.0.0.1", "10.0.0.2", "10.0.0.3", "2001:db8::1", "2001:db8::2"].map(reply)).toEqual([1, 2, 0, 3, 0]);
    expect([0, 1, 6, 9, 10].map((sndCwnd) => watch.event("Rtt", {}, { sndCwnd }).reply)).toEqual([0, 1, 2, 1, 0]);
    expect([gateway, server]).toEqual([ipv4("10.0.0.1"), ipv6("2001:db8::1")]);
    expect(limits).toEqual({ low: 1, high: 9, gateway: ipv4("10.0.0.2") });
  });

  test("or those that a test gives", async () => {
    const { watch, limits } = await open({
      gateway: ipv4("192.0.2.1"),
      server: ipv6("fd00::7"),
      limits: { low: 20, gateway: ipv4("192.0.2.2") },
      weights: [1, 30],
      peer: { addr: ipv6("fd00::8") },
    });
    const reply = (addr: string): number => watch.event("TcpConnect", {}, to(addr)).reply;
    expect(["10.0.0.1", "192.0.2.1", "192.0.2.2", "2001:db8::1", "fd00::7", "fd00::8"].map(reply)).toEqual([
      0, 1, 2, 0, 3, 4,
    ]);
    expect([20, 30].map((sndCwnd) => watch.event("Rtt", {}, { sndCwnd }).reply)).toEqual([0, 2]);
    expect(limits).toEqual({ low: 20, high: 0, gateway: ipv4("192.0.2.2") });
  });

  test("what does not fit is said with what would", async () => {
    await expect(open({ gateway: 5 })).rejects.toThrow('gateway: 5 is not in network byte order: write ipv4("…")');
    await expect(open({ server: "fd00::7" })).rejects.toThrow('is not an IPv6 address: write ipv6("…")');
    await expect(open({ limits: { lwo: 1 } })).rejects.toThrow("lwo");
  });

  test("tries of one family, and of both", async () => {
    const { watch: separate, four, six } = await open();
    const { watch: together, both } = await open();
    four.set("10.0.0.0/8", 4);
    six.set("2001:db8::/32", 6);
    both.set("192.0.2.0/24", 7);
    both.set("fd00::/8", 7);
    const each = (watch: SockOpsUnderTest, event: "ActiveEstablished" | "PassiveEstablished", ...addrs: string[]) =>
      addrs.map((addr) => watch.event(event, {}, to(addr)).reply);
    expect(each(separate, "PassiveEstablished", "10.9.9.9", "11.0.0.1", "2001:db8:1::1", "2001:db9::1")).toEqual([
      4, 0, 6, 0,
    ]);
    expect(
      each(together, "ActiveEstablished", "192.0.2.9", "192.0.3.9", "fd00::1", "fe00::1", "::ffff:192.0.2.1"),
    ).toEqual([7, 0, 7, 0, 7]);
    expect([...both].map(([prefix]) => prefix)).toEqual(["192.0.2.0/24", "fd00::/8"]);
    expect(both.get(ipv4("192.0.2.200"))).toBe(7);
    expect(six.get(ipv6("2001:db8::5"))).toBe(6);
    expect(() => six.set("2001:db8::/129", 1)).toThrow('is neither a prefix such as "2001:db8::/32"');
    expect(() => four.set("2001:db8::/32", 1)).toThrow('is neither a prefix such as "10.0.0.0/8"');
  });
});

test("a backup is opened as one: in IPv4, in IPv6, and where only the run decides", async () => {
  const file = join(folder, "backup.ts");
  writeFileSync(
    file,
    `import { be32, htons, Ip6, ipv4, ipv6, license, param, u8 } from "tsbpf";
import { pathManager } from "tsbpf/mptcp";
license("GPL");
export const from4 = param(be32, ipv4("10.2.0.1"));
export const from6 = param(Ip6, ipv6("fd02::1"));
export const spare = param(u8, 1);
export const pm = pathManager({
  fullyEstablished(session, isMaster) {
    if (!isMaster) return;
    const port = htons(443);
    session.openSubflow({ from: { addr: from4 }, to: { addr: ipv4("10.2.0.2"), port }, backup: true });
    session.openSubflow({ from: { addr: from6 }, to: { addr: ipv6("fd02::2"), port }, backup: spare !== 0 });
    session.openSubflow({ from: { addr: from4 }, to: { addr: ipv4("10.1.0.2"), port }, backup: false });
    session.openSubflow();
  },
});
`,
  );
  const backups = async (params: object): Promise<boolean[]> => {
    const { pm } = (await load(file, { params: params as never })) as unknown as { pm: PathManagerUnderTest };
    // Its socket is one of IPv6, which takes IPv4 addresses, too; one of IPv4 would not take the others.
    const session = pm.session({ localIp6: "fd01::1", remoteIp6: "fd01::2" });
    session.establish();
    session.settle();
    return session.subflows.map((one) => one.backup);
  };
  expect(await backups({})).toEqual([true, true, false, false]);
  expect(await backups({ spare: 0 })).toEqual([true, false, false, false]);
});
