/** What the language says, run: each case computes a number, which the virtual machine must find too. */
import { describe, expect, test } from "vitest";
import { run, type Case } from "./run.ts";

const cases: readonly Case[] = [
  ["unsigned arithmetic wraps at 32 bits", 1n, "let a: u32 = 0xffffffff; a += 2; r = u64(a);"],
  ["u8 beside u8 is computed in 32 bits", 400n, "let a: u8 = 200; const b: u8 = 200; a = u8(a); r = u64(a + b);"],
  ["a literal too large for u8 takes 32 bits", 5000n, "let a: u8 = 5; a = u8(a); r = u64(a * 1000);"],
  ["a cast keeps the low bits", 0x34n, "let a: u32 = 0x1234; a += 0; r = u64(u8(a));"],
  ["widening follows the sign of the source", 2n ** 64n - 5n, "let a: i32 = -5; a += 0; r = u64(a);"],
  ["signed division goes toward zero", 2n ** 64n - 3n, "let a: i32 = -7; a += 0; r = u64(i64(a / 2));"],
  ["the remainder has the sign of the dividend", 2n ** 64n - 1n, "let a: i32 = -7; a += 0; r = u64(a % 2);"],
  [
    "division by a run-time zero gives 0, the remainder the dividend",
    7n,
    "let a: u32 = 7; let z: u32 = 0; a += z; z += 0; r = u64(a / z + (a % z));",
  ],
  [
    ">> of a signed value keeps the sign, >>> does not",
    0x7ffffffen + 2n ** 32n,
    "let a: i32 = -4; a += 0; r = u64(a >>> 1) + u64(u32(a >> 1) + 2) + 0x100000000n;",
  ],
  ["a shift count is taken modulo the width", 2n, "let a: u32 = 1; let n: u32 = 33; a += 0; n += 0; r = u64(a << n);"],
  ["~ of a literal is bits", 0xfffffff8n, "let a: u32 = 0xffffffff; a &= ~7; r = u64(a);"],
  [
    "x += f() reads x first",
    11n,
    "let a: u32 = 1; a += bump(); r = u64(a);\n",
    "let g: u32 = 0;\nfunction bump(): u32 { g += 10; return g; }",
  ],
  [
    "a global read before the call keeps its old value",
    10n,
    "r = u64(g + bump());",
    "let g: u32 = 0;\nfunction bump(): u32 { g += 10; return g; }",
  ],
  [
    "&& and || evaluate one side",
    1n,
    "if (no() && bump()) r = 100n; if (!no() || bump()) r += 1n; r += u64(g);",
    "let g: u32 = 0;\nfunction bump(): boolean { g += 10; return true; }\nfunction no(): boolean { return g > 100; }",
  ],
  ["|| gives the value", 7n, "let a: u32 = 0; a += 0; r = u64(a || 7);"],
  ["&& gives the value", 3n, "let a: u32 = 9; a += 0; r = u64(a && 3);"],
  ["an assignment is an expression", 10n, "let a: u32 = 0; let b: u32 = 0; a = b = 5; r = u64(a + b);"],
  ["postfix and prefix", 1n + 2n * 10n + 3n * 100n, "let a: u32 = 1; r = u64(a++) + u64(a) * 10n + u64(++a) * 100n;"],
  ["the comma gives the right side", 4n, "let a: u32 = 0; a = (a += 3, a + 1); r = u64(a);"],
  [
    "an object literal is built before it is stored",
    21n,
    "const p = new Pair({ a: 1, b: 2 }); p.a += 0; q.a = 1; q.b = 2; swap(q); r = u64(q.a * 10 + q.b * p.a);",
    "class Pair extends struct({ a: u32, b: u32 }) {}\nclass Box extends struct({ p: Pair }) {}\nconst q = new Pair();\nfunction swap(x: Pair) { const box = new Box({ p: x }); box.p = { a: box.p.b, b: box.p.a }; x.a = box.p.a; x.b = box.p.b; }",
  ],
  [
    "a struct parameter refers to the original",
    5n,
    "const p = new Pair({ a: 1 }); set(p); r = u64(p.a);",
    "class Pair extends struct({ a: u32, b: u32 }) {}\nfunction set(p: Pair) { p.a = 5; }",
  ],
  [
    "a scalar parameter is a copy",
    1n,
    "let a: u32 = 1; set(a); r = u64(a); a = 2;",
    "function set(a: u32): u32 { a = 5; return a; }",
  ],
  ["an inner name hides an outer one", 3n, "const a: u32 = 3; { const a: u32 = 4; r = u64(a); } r = u64(a);"],
  [
    "the variable of for … of refers to the element",
    15n,
    "const l = new List(); for (const x of l.all) x.a = 5; for (const x of l.all) r += u64(x.a);",
    "class Pair extends struct({ a: u32, b: u32 }) {}\nclass List extends struct({ all: array(Pair, 3) }) {}",
  ],
  [
    "range(count, max) evaluates count once",
    3n,
    "let n: u32 = 3; for (const _ of range(n, 8)) { n = 8; r += 1n; } r += u64(n) - 8n;",
  ],
  ["range stops at max", 4n, "let n: u32 = 30; n += 0; for (const _ of range(n, 4)) r += 1n;"],
  [
    "break and continue with labels",
    4n,
    "outer: for (const i of range(4)) { for (const j of range(4)) { if (j === 1) continue outer; if (i === 3) break outer; r += 1n; } } r += 1n;",
  ],
  [
    "switch: cases, groups, default in the middle",
    211n,
    "for (const i of range(5)) { switch (i) { case 0: case 1: r += 5n; break; default: r += 100n; break; case 3: r += 1n; } }",
  ],
  ["a do loop runs once at least", 1n, "let n: u32 = 9; do { r += 1n; n += 1; } while (n < 5);"],
  [
    "map.get of a missing key, ?? and ?.",
    7n + 50n,
    "r = u64(m.get(1) ?? 7); r += u64(s.get(1)?.a ?? 50);",
    "class Pair extends struct({ a: u32, b: u32 }) {}\nconst m = new HashMap({ key: u32, value: u32, maxEntries: 4 });\nconst s = new HashMap({ key: u32, value: Pair, maxEntries: 4 });",
  ],
  [
    "map.get of a struct refers into the map",
    9n,
    "s.set(1, { a: 1, b: 2 }); const p = s.get(1); if (p) p.a = 7; const q = s.get(1); if (q) r = u64(q.a + q.b);",
    "class Pair extends struct({ a: u32, b: u32 }) {}\nconst s = new HashMap({ key: u32, value: Pair, maxEntries: 4 });",
  ],
  [
    "a number read from a map is a value",
    3n,
    "m.set(1, 3); const v = m.get(1); m.set(1, 4); if (v !== undefined) r = u64(v);",
    "const m = new HashMap({ key: u32, value: u32, maxEntries: 4 });",
  ],
  [
    "update modes give the kernel's errno",
    2n ** 64n - 17n - 2n,
    'r = u64(m.set(1, 3, "insert")) + u64(m.set(1, 4, "insert")) + u64(m.set(2, 1, "update"));',
    "const m = new HashMap({ key: u32, value: u32, maxEntries: 4 });",
  ],
  [
    "ref and atomicAdd",
    15n,
    'm.set(1, 3n); const v = m.ref(1); if (v) { v.value += 2n; atomicAdd(v, "value", 10n); r = v.value; }',
    "const m = new HashMap({ key: u32, value: u64, maxEntries: 4 });",
  ],
  [
    "a run-time index outside of the list is undefined",
    99n + 3n,
    "const l = new L({ b: [1, 2, 3, 4] }); let i: u32 = 4; i += 0; r = u64(l.b[i] ?? 99); i = 2; i += 0; r += u64(l.b[i] ?? 99);",
    "class L extends struct({ b: array(u8, 4) }) {}",
  ],
  [
    "a checked index may be written",
    8n,
    "const l = new L(); let i: u32 = 2; i += 0; if (i < 4) l.b[i] = 8; r = u64(l.b[2]);",
    "class L extends struct({ b: array(u8, 4) }) {}",
  ],
  [
    "packed structs",
    0x0102030405060708n + 9n,
    "const p = new P({ k: 9, w: 0x0102030405060708n }); r = p.w + u64(p.k) + u64(sizeOf(P)) - 9n;",
    "class P extends struct({ k: u8, w: u64 }, { packed: true }) {}",
  ],
  ["byte order", 0x1234n + 0x01020304n, 'r = u64(ntohs(htons(0x1234))) + u64(ntohl(ipv4("1.2.3.4")));'],
  ["byte order of 64 bits", 0x0102030405060708n, "r = ntohll(htonll(0x0102030405060708n));"],
  [
    "addresses compare by their bits",
    6n,
    'const a = ipv4("10.1.2.3"); if (inPrefix(a, "10.0.0.0/8")) r += 1n; if (inPrefix(a, "10.1.3.0/24")) r += 100n; if (inPrefix(a, "0.0.0.0/0")) r += 2n; if (a === ipv4("10.1.2.3")) r += 3n;',
  ],
  [
    "IPv6 words lie in network order",
    0x20010db8n + 1n,
    'const a = ipv6("2001:db8::1"); r = u64(ntohl(a[0])) + u64(ntohl(a[3]));',
  ],
  [
    "min, max and clamp",
    3n + 9n * 10n + 5n * 100n,
    "let a: u32 = 3; let b: u32 = 9; a += 0; b += 0; r = u64(min(a, b)) + u64(max(a, b)) * 10n + u64(clamp(b, 1, 5)) * 100n;",
  ],
  [
    "strings are chosen and compared",
    1n,
    'const s: string = ctx.mss > 1000 ? "bbr" : "reno"; if (s === "reno") r = 1n;',
  ],
  [
    "constants of the top level",
    60_000n + 3n + 2n,
    "r = u64(MS + L.deep.er) + u64(table[1] ?? 0);",
    "const MS: u32 = 60 * 1000;\nconst L = { deep: { er: 3 } } as const;\nconst table = [1, 2, 4];",
  ],
  [
    "globals keep their initial values",
    42n + 1n + 7n,
    "r = g + u64(b) + u64(p.b); g = 0n; b = false;",
    "let g: u64 = 42n;\nlet b = true;\nclass Pair extends struct({ a: u32, b: u32 }) {}\nconst p = new Pair({ b: 7 });",
  ],
  [
    "defaults and optional parameters",
    15n + 100n,
    "r = u64(f(5)) + u64(h());",
    "function f(a: u32, b = 10): u32 { return a + b; }\nfunction h(a?: u32): u32 { return a ?? 100; }",
  ],
  [
    "a function may give undefined",
    8n + 1n,
    "r = u64(f(4) ?? 1) + u64(f(1) ?? 1);",
    "function f(a: u32): u32 | undefined { return a > 3 ? a * 2 : undefined; }",
  ],
  [
    "a function may give a struct",
    12n,
    "const p = f(1); const q = f(2); r = u64(p.a * 10 + q.a);",
    "class Pair extends struct({ a: u32, b: u32 }) {}\nfunction f(a: u32): Pair { return new Pair({ a }); }",
  ],
  [
    "tries match the longest prefix",
    1n,
    'r = t.get(ipv4("10.0.0.1")) === undefined ? 1n : 0n;',
    "const t = new Ipv4Trie({ value: u32, maxEntries: 4 });",
  ],
  [
    "texts of one size are equal where all their bytes are",
    0b1011n,
    `const box = new Box({ name: cstr("cubic", 15) }); if (box.name === cstr("cubic", 15)) r |= 1n; if (box.name !== cstr("cubi", 15)) r |= 2n;
     box.name = cstr("cubic1234567890", 15); if (box.name === cstr("cubic123456789", 15)) r |= 4n; if (cstr("cubic1234567890", 15) === box.name) r |= 8n;`,
    "class Box extends struct({ kind: u8, name: cstring(15) }) {}",
  ],
  [
    "a slot that a named constant names and the map has not is undefined",
    7n + 5n * 10n + 300n,
    "const far = slots.get(FAR); r = far ? 1n : 7n; r += u64(counts.get(PLAIN) ?? 5) * 10n; r += u64(counts.ref(FAR) ? 1 : 3) * 100n;",
    "class Slot extends struct({ a: u32, list: array(u32, 3) }) {}\nexport const slots = new ArrayMap({ value: Slot, maxEntries: 4 });\nexport const counts = new ArrayMap({ value: u32, maxEntries: 4 });\nconst FAR: u16 = 200;\nconst PLAIN = 4;",
  ],
  [
    "a slot that only folding shows to be absent is undefined",
    5n + 3n * 10n + 9n * 100n,
    "const step: u32 = 22; r = u64(counts.get(step % 6) ?? 5) + u64(slots.get(step - 10)?.a ?? 3) * 10n + u64(inside(77)) * 100n;",
    "class Slot extends struct({ a: u32, list: array(u32, 3) }) {}\nexport const slots = new ArrayMap({ value: Slot, maxEntries: 4 });\nexport const counts = new ArrayMap({ value: u32, maxEntries: 4 });\nfunction inside(at: u32): u32 { return slots.get(at)?.list[at % 3] ?? 9; }",
  ],
  [
    "a slot past the end ends an unrolled loop",
    2n,
    "for (const i of range(6)) { const slot = slots.get(i + 2); if (!slot) break; r += 1n; }",
    "class Slot extends struct({ a: u32, list: array(u32, 3) }) {}\nexport const slots = new ArrayMap({ value: Slot, maxEntries: 4 });\nexport const counts = new ArrayMap({ value: u32, maxEntries: 4 });",
  ],
  [
    "a slot of a per-CPU array that is not there is undefined, and set() of one gives E2BIG",
    7n + 10n,
    "r = u64(own.get(FAR) ?? 7) + (counts.set(FAR, 1) === -7 ? 10n : 0n);",
    "class Slot extends struct({ a: u32, list: array(u32, 3) }) {}\nexport const slots = new ArrayMap({ value: Slot, maxEntries: 4 });\nexport const counts = new ArrayMap({ value: u32, maxEntries: 4 });\nconst own = new PerCpuArray({ value: u32, maxEntries: 2 });\nconst FAR: u32 = 9;",
  ],
  [
    "an element that a name or folding puts outside is undefined",
    9n + 8n * 10n + 700n,
    "const s = slots.get(0); const k: u32 = 22; r = u64(s.list[FAR] ?? 9) + u64(s.list[k % 6] ?? 8) * 10n; if (s.list[FAR] === undefined) r += 700n;",
    "class Slot extends struct({ a: u32, list: array(u32, 3) }) {}\nexport const slots = new ArrayMap({ value: Slot, maxEntries: 4 });\nexport const counts = new ArrayMap({ value: u32, maxEntries: 4 });\nconst FAR = 200;",
  ],
  [
    "what a guard keeps out is no error",
    4n,
    "const s = slots.get(0); const k: u32 = 22; if (k < 3) s.list[k] = 1; if (ZERO !== 0) r = u64(k / ZERO); let x: u8 = 4; if (BIG < 256) x = BIG * 1; if (k < 5) r = u64(k << WIDE); r += u64(x);",
    "class Slot extends struct({ a: u32, list: array(u32, 3) }) {}\nexport const slots = new ArrayMap({ value: Slot, maxEntries: 4 });\nexport const counts = new ArrayMap({ value: u32, maxEntries: 4 });\nconst ZERO: u32 = 0;\nconst BIG: u32 = 300;\nconst WIDE = 40;",
  ],
  [
    "a function may give a slot that is always there",
    3n,
    "const s = first(); s.a += 3; r = u64(s.a);",
    "class Slot extends struct({ a: u32, list: array(u32, 3) }) {}\nexport const slots = new ArrayMap({ value: Slot, maxEntries: 4 });\nexport const counts = new ArrayMap({ value: u32, maxEntries: 4 });\nfunction first(): Slot { return slots.get(0); }",
  ],
];

describe("language: semantics in the virtual machine", () => {
  test.each(cases.map(([name, expected, body, top]) => ({ name, expected, body, top })))(
    "$name",
    ({ expected, body, top }) => {
      expect(run(body, top)).toBe(expected);
    },
  );

  test("a wrong expectation would be seen", () => {
    expect(run("r = 2n;")).not.toBe(3n);
  });
});
