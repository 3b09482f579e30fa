// What a program writes is what the handles read, for every field type; and the types of the handles say so.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ipv4 } from "tsbpf";
import { load, type LoadedObject } from "../../runtime/api.ts";
import { compiled } from "./compiled.ts";
import { openLab, until, whyNot, type Lab, type Peer } from "./lab.ts";
import { repository } from "./repository.ts";

const SOURCE = `
import { array, ArrayMap, be16, be32, be64, cstr, cstring, HashMap, htonl, htonll, htons, i32, i64, Ip6, IpTrie, ipv4, ipv6, license, param, PerCpuArray, RingBuf, struct, u16, u32, u64, u8 } from "tsbpf";
import { Op, sockOps } from "tsbpf/tcp";
license("GPL");
class Deep extends struct({ low: u8, high: i64, port: be16 }, { packed: true }) {}
class Inner extends struct({ flag: u8, deep: Deep, words: array(u16, 3) }) {}
class All extends struct({
  a: u8, b: u16, c: u32, d: i32, e: u64, f: i64,
  port: be16, addr: be32, wire: be64,
  name: cstring(8), inner: Inner, list: array(Inner, 2), addr6: array(be32, 4), bytes: array(u8, 5),
}) {}
class Key extends struct({ addr: be32, port: be16 }) {}
export const table = new HashMap({ key: Key, value: All, maxEntries: 4 });
export const slots = new ArrayMap({ value: All, maxEntries: 1 });
export const each = new PerCpuArray({ value: u64, maxEntries: 1 });
export const ring = new RingBuf({ value: All, bytes: 65536 });
export const wanted = param(u64, 5n);
class Limits extends struct({ low: u16, gateway: be32, peer: Ip6 }) {}
export const gateway = param(be32, ipv4("10.0.0.1"));
export const server = param(Ip6, ipv6("2001:db8::1"));
export const limits = param(Limits, { low: 1, gateway: ipv4("10.0.0.2"), peer: ipv6("2001:db8::2") });
export const near = new IpTrie({ value: u32, maxEntries: 4 });
export let runs: u64 = 0n;
/** What the params and the trie say, bit by bit. */
export let told: u32 = 0;
export const writer = sockOps((ctx) => {
  switch (ctx.op) {
    case Op.TcpConnect: {
      const all = new All({ a: 255, b: 65535, c: 4294967295, d: -2147483648, e: wanted, f: -9223372036854775808n });
      all.port = htons(443);
      all.addr = ipv4("10.0.0.1");
      all.wire = htonll(0x0102030405060708n);
      all.name = cstr("cubic", 8);
      all.inner.flag = 7;
      all.inner.deep.low = 1;
      all.inner.deep.high = -2n;
      all.inner.deep.port = htons(8080);
      all.inner.words[2] = 65535;
      all.list[1].deep.high = 9223372036854775807n;
      all.list[1].words[0] = 3;
      all.addr6[0] = htonl(0x20010db8);
      all.addr6[3] = htonl(1);
      all.bytes[4] = 9;
      table.set(new Key({ addr: ipv4("192.0.2.1"), port: htons(53) }), all);
      slots.set(0, all);
      ring.output(all);
      const count = each.ref(0);
      if (count) count.value += 1n;
      runs += 1n;
      told = 0;
      if (gateway === ipv4("192.0.2.1")) told |= 1;
      if (server[3] === limits.peer[3] && server[0] !== limits.peer[0]) told |= 2;
      if (limits.low === 700) told |= 4;
      if (near.get(ctx.remoteIp4) !== undefined) told |= 8;
      if (near.get(server) !== undefined) told |= 16;
      if (near.get(limits.peer) !== undefined) told |= 32;
      if (near.get(limits.gateway) !== undefined) told |= 64;
      break;
    }
    default:
  }
  return 1;
});
`;
const inner = { flag: 0, deep: { low: 0, high: 0n, port: 0 }, words: [0, 0, 0] };
const WRITTEN = {
  a: 255,
  b: 65535,
  c: 4294967295,
  d: -2147483648,
  e: 18446744073709551615n,
  f: -9223372036854775808n,
  port: 443,
  addr: 0x0a000001,
  wire: 0x0102030405060708n,
  name: "cubic",
  inner: { flag: 7, deep: { low: 1, high: -2n, port: 8080 }, words: [0, 0, 65535] },
  list: [inner, { flag: 0, deep: { low: 0, high: 9223372036854775807n, port: 0 }, words: [3, 0, 0] }],
  addr6: [0x20010db8, 0, 0, 1],
  bytes: [0, 0, 0, 0, 9],
};

const skip = whyNot();
describe.skipIf(skip)(skip ? `values that a program wrote (skipped: ${skip})` : "values that a program wrote", () => {
  let lab: Lab;
  let object: LoadedObject;
  let client: Peer;

  beforeAll(async () => {
    lab = openLab();
    const net = lab.netns("c");
    const group = lab.cgroup("typed");
    client = await lab.peer(net, group);
    object = load(compiled("typed", "mainline", SOURCE), {
      params: {
        wanted: 18446744073709551615n,
        gateway: "192.0.2.1",
        server: "fd00::9",
        limits: { low: 700, peer: "2001:db8::9", gateway: ipv4("10.9.9.9") },
      },
    });
    object.maps["near"]!.set({ length: 96 + 8, address: "::ffff:127.0.0.0" }, 1);
    object.maps["near"]!.set({ length: 8, address: "fd00::" }, 2);
    lab.defer(() => object.close());
    object.attach(group);
    await client.call("listen", { host: "127.0.0.1", port: 7000 });
  });
  afterAll(() => lab?.close());

  it("are read back equal from every kind of map, and go in again by the same handles", async () => {
    const records: unknown[] = [];
    const stream = object.rings["ring"]!.stream();
    await client.call("connect", { host: "127.0.0.1", port: 7000 });
    for await (const record of stream) {
      records.push(record);
      break;
    }
    expect(records).toEqual([WRITTEN]);
    const key = { addr: 0xc0000201, port: 53 };
    expect(object.maps["table"]!.get(key)).toEqual(WRITTEN);
    expect([...object.maps["table"]!]).toEqual([[key, WRITTEN]]);
    expect(object.maps["table"]!.batch()).toEqual([[key, WRITTEN]]);
    expect(object.maps["slots"]!.get(0)).toEqual(WRITTEN);
    expect(object.globals["runs"]!.get()).toBe(1n);
    expect(object.globals["told"]!.get()).toBe(1 + 2 + 4 + 8 + 16);
    expect(object.globals["gateway"]!.get()).toBe(0xc0000201);
    expect(object.globals["server"]!.get()).toEqual([0xfd000000, 0, 0, 9]);
    expect((object.maps["each"]!.get(0) as bigint[]).reduce((sum, one) => sum + one)).toBe(1n);
    object.maps["slots"]!.set(0, { ...WRITTEN, addr: "10.0.0.1" });
    expect(object.maps["slots"]!.get(0)).toEqual(WRITTEN);
  });

  it("stay in step when entries are deleted and stored while a loop runs over them", async () => {
    const table = object.maps["table"]!;
    table.clear();
    for (const port of [1, 2, 3]) table.set({ addr: 1, port }, { a: port });
    const seen: unknown[] = [];
    for (const [key, value] of table) {
      seen.push((value as { a: number }).a);
      table.delete(key);
    }
    expect(seen.toSorted((a, b) => Number(a) - Number(b))).toEqual([1, 2, 3]);
    expect([...table]).toEqual([]);
    await until("nothing more", () => table.batch().length === 0);
  });
});

describe("types of handles from a program's source", () => {
  it("fit every field, and tsc rejects what does not", () => {
    const folder = mkdtempSync(join(repository, "tests/runtime/.types-"));
    try {
      writeFileSync(join(folder, "program.ts"), SOURCE);
      writeFileSync(
        join(folder, "use.ts"),
        `import { load } from "../../../runtime/api.ts";
const object = load<typeof import("./program.ts")>("program.o", { params: { wanted: 3n } });
const value = object.maps.table.get({ addr: "192.0.2.1", port: 53 });
if (value) {
  const numbers: number[] = [value.a, value.b, value.c, value.d, value.port, value.inner.flag, value.inner.words[2]!, value.bytes[4]!];
  const bigs: bigint[] = [value.e, value.f, value.wire, value.inner.deep.high, value.list[1]!.deep.high];
  const text: string = value.name;
  object.maps.slots.set(0, value);
  // @ts-expect-error a 64-bit field is a bigint
  const wrong: number = value.wire;
  // @ts-expect-error no such field
  value.nothing;
  console.log(numbers, bigs, text, wrong);
}
const each: readonly bigint[] | undefined = object.maps.each.get(0);
for await (const record of object.rings.ring.stream()) console.log(record.inner.deep.port + 1, each);
for await (const records of object.rings.ring.stream().batches()) console.log(records[0]?.wire === 1n);
const runs: bigint = object.globals.runs.get();
object.programs.writer.attach("/sys/fs/cgroup");
// @ts-expect-error keys are structs
object.maps.table.get(1);
// @ts-expect-error a bigint is needed
load<typeof import("./program.ts")>("program.o", { params: { wanted: 3 } });
console.log(runs);
load<typeof import("./program.ts")>("program.o", {
  params: { gateway: "10.0.0.9", server: "fd00::1", limits: { low: 3, gateway: 7, peer: [1, 2, 3, 4] } },
});
// @ts-expect-error an address is a text or its number
load<typeof import("./program.ts")>("program.o", { params: { gateway: 1n } });
// @ts-expect-error no such field
load<typeof import("./program.ts")>("program.o", { params: { limits: { low: 3, gateway: 7, peer: "::", high: 1 } } });
// @ts-expect-error no param
load<typeof import("./program.ts")>("program.o", { params: { near: 1 } });
object.maps.near.set({ length: 8, address: "fd00::" }, 2);
const at: number | string = object.globals.gateway.get();
const low: number = object.globals.limits.get().low;
console.log(at, low);
`,
      );
      writeFileSync(
        join(folder, "tsconfig.json"),
        JSON.stringify({
          extends: "../../../tsconfig.json",
          compilerOptions: {
            noEmit: true,
            listFiles: true,
            paths: {
              tsbpf: [join(repository, "runtime/dsl/index.d.ts")],
              "tsbpf/tcp": [join(repository, "runtime/dsl/tcp.d.ts")],
            },
          },
          include: ["use.ts"],
          exclude: [],
        }),
      );
      const tsc = spawnSync(process.execPath, [join(repository, "node_modules/typescript/bin/tsc"), "-p", folder], {
        encoding: "utf8",
      });
      const lines = tsc.stdout.split("\n");
      expect(lines.filter((line) => /use\.ts\(\d/.test(line))).toEqual([]);
      // It did look at the file.
      expect(lines.filter((line) => line.endsWith("/use.ts"))).toHaveLength(1);
      expect(tsc.stdout).not.toContain("TS2307");
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
