import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { sizeOf, structLayout, type Layout } from "../../compiler/layout.ts";
import { decode, encode, type Value } from "../../runtime/kernel/codec.ts";
import { fromJson, parseValue, show, toJson } from "../../runtime/kernel/format.ts";

const int = (bits: 8 | 16 | 32 | 64, signed = false): Layout => ({ kind: "int", bits, signed });
const be = (bits: 16 | 32 | 64): Layout => ({ kind: "be", bits });

/** A layout, and values that fit it. */
const shaped: fc.Arbitrary<{ layout: Layout; value: Value }> = fc.letrec((tie) => {
  const integer = fc
    .record({ bits: fc.constantFrom(8, 16, 32, 64), signed: fc.boolean() })
    .chain(({ bits, signed }) =>
      fc
        .bigInt({ min: signed ? -(1n << BigInt(bits - 1)) : 0n, max: (1n << BigInt(signed ? bits - 1 : bits)) - 1n })
        .map((big) => ({ layout: int(bits as 8, signed), value: bits === 64 ? big : Number(big) })),
    );
  const network = fc
    .constantFrom(16, 32, 64)
    .chain((bits) =>
      fc
        .bigInt({ min: 0n, max: (1n << BigInt(bits)) - 1n })
        .map((big) => ({ layout: be(bits as 16), value: bits === 64 ? big : Number(big) })),
    );
  const text = fc
    .stringMatching(/^[a-z0-9_ é]{0,7}$/)
    .map((value) => ({ layout: { kind: "cstring", size: 16 }, value }));
  const one = tie("any") as fc.Arbitrary<{ layout: Layout; value: Value }>;
  return {
    any: fc.oneof({ depthSize: "small", withCrossShrink: true }, integer, network, text, tie("array"), tie("struct")),
    array: fc.tuple(one, fc.integer({ min: 1, max: 4 })).map(([item, length]) => ({
      layout: { kind: "array", of: item.layout, length },
      value: Array.from({ length }, () => item.value),
    })),
    struct: fc.tuple(fc.array(one, { minLength: 1, maxLength: 5 }), fc.boolean()).map(([items, packed]) => ({
      layout: structLayout(
        "S",
        items.map((item, index) => ({ name: `f${index}`, layout: item.layout })),
        packed,
      ),
      value: Object.fromEntries(items.map((item, index) => [`f${index}`, item.value])),
    })),
  };
}).any as fc.Arbitrary<{ layout: Layout; value: Value }>;

describe("codecs", () => {
  it("read back what was written, for any layout, and JSON keeps it too", () => {
    fc.assert(
      fc.property(shaped, ({ layout, value }) => {
        const bytes = encode(layout, value, "x");
        expect(bytes.length).toBe(sizeOf(layout));
        expect(decode(layout, bytes)).toEqual(value);
        const json = JSON.parse(JSON.stringify(toJson(layout, decode(layout, bytes)))) as unknown;
        expect(encode(layout, fromJson(layout, json), "x")).toEqual(bytes);
        expect(show(layout, value)).toBeTypeOf("string");
      }),
      { numRuns: 500 },
    );
  });

  it("read large arrays, structs of structs, and names that JavaScript has other uses for", () => {
    const wide: Layout = { kind: "array", of: { kind: "array", of: int(16), length: 20 }, length: 30 };
    const layout = structLayout(
      "S",
      [
        ...Array.from({ length: 200 }, (_, index) => ({ name: `f${index}`, layout: int(32) })),
        { name: "__proto__", layout: int(8) },
        { name: 'a"] + evil() + ["', layout: int(8) },
        { name: "wide", layout: wide },
        { name: "inner", layout: structLayout("T", [{ name: "constructor", layout: wide }], false) },
        { name: "none", layout: { kind: "array", of: int(8), length: 0 } },
      ],
      false,
    );
    const rows = Array.from({ length: 30 }, (_, row) => Array.from({ length: 20 }, (_, column) => row * 100 + column));
    const bytes = encode(layout, { f199: 7, 'a"] + evil() + ["': 9, wide: rows, inner: { constructor: rows } }, "x");
    const value = decode(layout, bytes) as Record<string, Value>;
    expect(value["f199"]).toBe(7);
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    expect(Object.keys(value)).toHaveLength(205);
    expect(value['a"] + evil() + ["']).toBe(9);
    expect(value["wide"]).toEqual(rows);
    expect(value["inner"]).toEqual({ constructor: rows });
    expect(value["none"]).toEqual([]);
  });

  it("place bytes as C does", () => {
    const layout = structLayout(
      "S",
      [
        { name: "a", layout: int(8) },
        { name: "port", layout: be(16) },
        { name: "addr", layout: be(32) },
        { name: "big", layout: int(64, true) },
        { name: "list", layout: { kind: "array", of: int(16), length: 2 } },
        { name: "name", layout: { kind: "cstring", size: 4 } },
      ],
      false,
    );
    const bytes = encode(layout, { a: 1, port: 443, addr: "10.0.0.1", big: -2n, list: [1, 2], name: "bbr" }, "x");
    expect(Buffer.from(bytes).toString("hex")).toBe("010001bb0a000001feffffffffffffff0100020062627200");
    expect(decode(layout, bytes)).toEqual({ a: 1, port: 443, addr: 0x0a000001, big: -2n, list: [1, 2], name: "bbr" });
    expect(show(layout, decode(layout, bytes))).toBe(
      '{ a: 1, port: 443, addr: 10.0.0.1, big: -2, list: [1, 2], name: "bbr" }',
    );
  });

  it("say what is wrong with a value, and where", () => {
    const layout = structLayout("S", [{ name: "list", layout: { kind: "array", of: int(8), length: 2 } }], false);
    expect(() => encode(layout, { list: [1, 300] }, "value")).toThrow("value.list[1]: 300 is not a u8: 0 to 255");
    expect(() => encode(layout, { lst: [] }, "value")).toThrow("value.lst: an unknown field is not one of list");
    expect(() => encode(layout, { list: [1, 2, 3] }, "value")).toThrow("at most 2 elements");
    expect(() => encode(int(64), 2 ** 60, "n")).toThrow("bigint");
    expect(() => encode(int(32), 1.5, "n")).toThrow("an integer");
    expect(() => encode({ kind: "cstring", size: 3 }, "cubic", "cc")).toThrow("at most 3 bytes");
    expect(() => encode(be(32), "10.0.0.256", "addr")).toThrow("IPv4");
    const address: Layout = { kind: "array", of: be(32), length: 4 };
    for (const text of ["2001:db8::1", "::", "::ffff:192.0.2.1"]) {
      const words = decode(address, encode(address, parseValue(address, text, "k"), "k"));
      expect([show(address, words), toJson(address, words)]).toEqual([text, text]);
      expect(decode(address, encode(address, fromJson(address, text), "k"))).toEqual(words);
    }
    expect(decode(address, encode(address, "2001:db8::1", "k"))).toEqual([0x20010db8, 0, 0, 1]);
    for (const text of ["2001:db8:::1", "10.0.0.1"])
      expect(() => encode(address, parseValue(address, text, "k"), "k")).toThrow("is not an IPv6 address");
    expect(() => parseValue(int(8), "seven", "k")).toThrow('"seven" is not a number');
  });

  it("take a struct as a list of its fields", () => {
    const layout = structLayout(
      "S",
      [
        { name: "low", layout: int(16) },
        { name: "gateway", layout: { kind: "array", of: be(32), length: 4 } },
        { name: "name", layout: { kind: "cstring", size: 8 } },
      ],
      false,
    );
    const read = (text: string): Value => decode(layout, encode(layout, parseValue(layout, text, "param limits"), "p"));
    expect(show(layout, read("low=7, gateway=fd00::1,name=a=b"))).toBe('{ low: 7, gateway: fd00::1, name: "a=b" }');
    expect(show(layout, read('{"low": 7}'))).toBe('{ low: 7, gateway: ::, name: "" }');
    for (const text of ["high=7", "low", "low=7,", ""])
      expect(() => read(text), text).toThrow("no field and its value");
    expect(() => read("low=1,name=x,low=2")).toThrow("param limits: low is given twice");
    expect(() => read("low=-1")).toThrow("p.low: -1 is not a u16");
    expect(() => read('{"low": 1, "__proto__": {"low": 2}}')).toThrow("p.__proto__: an unknown field");
    expect(() => read("low=x")).toThrow('param limits.low: "x" is not a number');
  });

  it("keep 64-bit values that JSON numbers cannot hold", () => {
    expect(JSON.stringify(toJson(int(64), 1n << 60n))).toBe('"1152921504606846976"');
    expect(JSON.stringify(toJson(int(64), 7n))).toBe("7");
    expect(toJson(be(32), 0x0a000001)).toBe("10.0.0.1");
  });
});
