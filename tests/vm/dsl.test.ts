import { describe, expect, test } from "vitest";
import * as index from "../../runtime/dsl/index.ts";
import * as mptcp from "../../runtime/dsl/mptcp.ts";
import * as tcp from "../../runtime/dsl/tcp.ts";

const {
  array,
  be16,
  be32,
  cstr,
  cstring,
  HashMap,
  htonl,
  htons,
  inPrefix,
  ipv4,
  max,
  min,
  ntohl,
  ntohs,
  param,
  range,
  struct,
  u16,
  u32,
  u64,
  u8,
  i32,
} = index;

describe("importing a program in Node", () => {
  test("numbers of events are the kernel's", () => {
    expect(tcp.Op).toMatchObject({
      ActiveEstablished: 4,
      ParseHeaderOption: 13,
      HeaderOptionLength: 14,
      WriteHeaderOption: 15,
    });
    expect(mptcp.Op).toMatchObject({ MptcpNewSession: 67 });
    expect(tcp.Callback).toMatchObject({ None: 0, WriteOption: 64 });
  });

  test("network order: equal values are the same value, and nobody calculates with them", () => {
    expect(ipv4("192.0.2.1")).toBe(htonl(0xc000_0201));
    expect(htons(443)).toBe(htons(443));
    expect(htons(443)).not.toBe(htonl(443));
    expect({ addr: ipv4("10.0.0.1") }).toEqual({ addr: ipv4("10.0.0.1") });
    expect([ntohs(htons(443)), ntohl(ipv4("10.0.0.1"))]).toEqual([443, 0x0a00_0001]);
    expect(() => (htons(1) as unknown as number) + 1).toThrow(TypeError);
    expect(() => ntohs(ipv4("1.2.3.4"))).toThrow("1.2.3.4");
  });

  test("prefixes", () => {
    expect(inPrefix(ipv4("10.255.0.1"), "10.0.0.0/8")).toBe(true);
    expect(inPrefix(ipv4("11.0.0.1"), "10.0.0.0/8")).toBe(false);
    expect(inPrefix(ipv4("1.2.3.4"), "0.0.0.0/0")).toBe(true);
    expect(() => inPrefix(ipv4("1.2.3.4"), "10.0.0.0/33")).toThrow("10.0.0.0/33");
    expect(() => ipv4("300.1.1.1")).toThrow("300.1.1.1");
  });

  test("casts keep the low bits", () => {
    expect([u8(0x1ff), u16(-1), u32(-1), i32(0xffff_ffff), u8(true)]).toEqual([255, 65535, 0xffff_ffff, -1, 1]);
    expect([u64(-1n), u64(7)]).toEqual([0xffff_ffff_ffff_ffffn, 7n]);
  });

  test("structs start with zeros, and know their layout", () => {
    class Inner extends struct({ port: be16 }) {}
    class Outer extends struct({ a: u8, addr: be32, list: array(Inner, 2), name: cstring(4) }) {}
    const made = new Outer({ a: 3 }) as Record<string, unknown>;
    expect(made).toMatchObject({ a: 3, addr: ipv4("0.0.0.0"), name: cstr("", 4) });
    expect(made["list"]).toHaveLength(2);
    expect(index.sizeOf(Outer)).toBe(16);
  });

  test("params have their initial value, loops and comparisons work, maps have no content", () => {
    expect(param(u8, 3)).toBe(3);
    expect([...range(3)]).toEqual([0, 1, 2]);
    expect([...range(9, 2)]).toEqual([0, 1]);
    expect([min(1, 2), max(3n, 2n)]).toEqual([1, 3n]);
    const map = new HashMap({ key: u32, value: u32, maxEntries: 1 }) as unknown as { get(key: number): unknown };
    expect(() => map.get(1)).toThrow("tsbpf/testing");
    expect(() => index.ktimeNs()).toThrow("tsbpf/testing");
  });
});
