/** A name for a struct is that struct, as in JavaScript; what cannot be so is an error, and copies are said. */
import { describe, expect, test } from "vitest";
import { keysOf, run, type Case } from "./run.ts";

const TYPES = [
  "export class Pair extends struct({ a: u32, b: u32 }) {}",
  "export class Box extends struct({ p: Pair, q: Pair }) {}",
  "export class List extends struct({ all: array(Pair, 4), n: array(u32, 4) }) {}",
  "export class Odd extends struct({ k: u8, all: array(Pair, 4) }, { packed: true }) {}",
  "export class Deep extends struct({ boxes: array(Box, 2), name: cstring(16) }) {}",
  "export const boxes = new HashMap({ key: u32, value: Box, maxEntries: 4 });",
  "export const slots = new ArrayMap({ value: Box, maxEntries: 4 });",
  "export const g = new Box();",
].join("\n");
const two = "const o = new Box({ p: { a: 1, b: 2 }, q: { a: 3, b: 4 } });";

const refers: readonly Case[] = [
  ["a field", 9n, `${two} const part = o.p; part.a = 9; r = u64(o.p.a);`],
  ["a field is read through", 9n, `${two} const part = o.p; o.p.a = 9; r = u64(part.a);`],
  ["a constant element", 9n, "const l = new List(); const e = l.all[1]; e.a = 9; r = u64(l.all[1].a);"],
  [
    "elements of a loop, with a null check",
    36n,
    "const l = new List(); for (let i = 0; i < l.all.length; i++) { const e = l.all[i]; if (e) e.a = 9; } for (const x of l.all) r += u64(x.a);",
  ],
  [
    "elements of a range",
    6n,
    "const l = new List(); for (const i of range(4)) { const e = l.all[i]; e.a = i; } for (const x of l.all) r += u64(x.a);",
  ],
  [
    "an element keeps being the one that its index named",
    9n,
    "const l = new List(); let i: u32 = ctx.mss + 1; const e = l.all[i]; i = 2; if (e) e.a = 9; r = u64(l.all[1].a) + u64(l.all[2].a * 100) + u64(i - 2);",
  ],
  [
    "an element of a type that says that it may be missing",
    9n,
    "const l = new List(); const i: u32 = ctx.mss + 1; const e: Pair | undefined = l.all[i]; if (e) e.a = 9; r = u64(l.all[1].a);",
  ],
  // A variable refers to all that it is given, also further down in a loop: the least aligned says how it is read.
  ...[
    ["declared", "let e: Pair | undefined = o.all[i]; if (e) e.b = e.a + 5;"],
    ["inferred", "let e = o.all[i]; if (e) e.b = e.a + 5; e = undefined;"],
    ["given later", "let e: Pair | undefined = undefined; if (i < 4) e = o.all[i]; if (e) e.b = e.a + 5;"],
    [
      "given in a loop, after its uses",
      "let e: Pair | undefined = aligned.all[i]; for (const _ of range(2)) { if (e) e.b = e.a + 5; e = o.all[i]; }",
    ],
    [
      "of two",
      "let e = ctx.mss === 0 ? o.all[i] : undefined; if (!e) e = aligned.all[i]; if (e) e = o.all[i]; if (e) e.b = e.a + 5;",
    ],
    ["the value of an assignment", "let e = aligned.all[i]; const f = (e = o.all[i]); if (f) f.b = f.a + 5;"],
  ].map(([what, body]): Case => [
    `a struct at an odd address, by a variable: ${what}`,
    9n,
    `const o = new Odd(); const aligned = new List(); aligned.all[1].a = 4; o.all[1].a = 4; const i = ctx.mss + 1; ${body} r = u64(o.all[1].b);`,
  ]),
  [
    "a variable that is never assigned",
    9n,
    `${two} let part = o.p; part.a = 9; r = u64(o.p.a); if (r === 1n) part = new Pair(o.q);`.replace(
      " if (r === 1n) part = new Pair(o.q);",
      "",
    ),
  ],
  ["a name for a name", 9n, `${two} const x = o.p; const y = x; y.a = 9; r = u64(x.a + o.p.a - 9);`],
  ["a local struct", 9n, "const p = new Pair(); const c = p; c.a = 9; r = u64(p.a);"],
  ["a global", 9n, "const x = g.q; x.b = 9; r = u64(g.q.b);"],
  [
    "a part of a map's value",
    9n,
    "boxes.set(1, new Box()); const e = boxes.get(1); if (e) { const x = e.q; x.a = 9; } r = u64(boxes.get(1)?.q.a ?? 0);",
  ],
  ["a part of a slot", 9n, "const x = slots.get(2).q; x.a = 9; r = u64(slots.get(2).q.a);"],
  ["an array", 9n, "const l = new List(); const n = l.n; n[2] = 9; r = u64(l.n[2]);"],
  ["an array of structs", 9n, "const l = new List(); const all = l.all; all[3].b = 9; r = u64(l.all[3].b);"],
  [
    "a struct in an array in a struct",
    9n,
    "const d = new Deep(); const i: u32 = ctx.mss + 1; const x = d.boxes[i]; if (x) { const y = x.q; y.b = 9; } r = u64(d.boxes[1].q.b);",
  ],
  [
    "one of two",
    93n,
    `${two} const c = ctx.mss > 5 ? o.p : o.q; c.a = 9; r = u64(o.q.a * 10 + 3); if (o.p.a !== 1) r = 0n;`,
  ],
  ["one of two that may be missing", 9n, `${two} const c = boxes.get(1)?.p ?? o.q; c.a = 9; r = u64(o.q.a);`],
  [
    "what a function gives back",
    9n,
    `${two} const p = inner(o); p.a = 9; r = u64(o.p.a);`,
    "function inner(b: Box): Pair { return b.p; }",
  ],
  [
    "what a function gives back, one of its own",
    9n,
    `const p = make(4); const q = make(5); p.a = 9; r = u64(p.a * 1 + q.a - 5);`,
    "function make(a: u32): Pair { const p = new Pair(); p.a = a; return p; }",
  ],
  [
    "what a function may give back",
    9n,
    `${two} const p = maybe(o, ctx.mss + 1); if (p) p.a = 9; r = u64(o.p.a);`,
    "function maybe(b: Box, n: u32): Pair | undefined { return n > 0 ? b.p : undefined; }",
  ],
  ["a parameter", 9n, `${two} set(o.q); r = u64(o.q.b);`, "function set(p: Pair) { const again = p; again.b = 9; }"],
  [
    "for … of",
    20n,
    "const l = new List(); for (const x of l.all) { const y = x; y.a = 5; } for (const x of l.all) r += u64(x.a);",
  ],
  [
    "packed fields",
    0x01020304n,
    "const w = new Wire(); const p = w.p; p.a = 0x01020304; r = u64(w.p.a);",
    "class Wire extends struct({ k: u8, p: Pair }, { packed: true }) {}",
  ],
  [
    "packed fields through a function",
    0x01020304n,
    "const w = new Wire(); const p = part(w); p.a = 0x01020304; r = u64(w.p.a);",
    "class Wire extends struct({ k: u8, p: Pair }, { packed: true }) {}\nfunction part(w: Wire): Pair { return w.p; }",
  ],
  [
    "a variable that may be missing refers to what it was given last",
    95n,
    `${two} let e: Pair | undefined = o.p; if (ctx.mss === 0) e = o.q; if (e) e.a = 9; r = u64(o.q.a * 10 + 5); if (o.p.a !== 1) r = 0n;`,
  ],
  [
    "IPv6 addresses in fields",
    1n,
    'const h = new Hop({ ip: ipv6("2001:db8::1") }); const ip = h.ip; ip[3] = htonl(7); r = ntohl(h.ip[3]) === 7 ? 1n : 0n;',
    "class Hop extends struct({ ip: array(be32, 4) }) {}",
  ],
];

const copies: readonly Case[] = [
  ["new S(other) copies", 1n, `${two} const c = new Pair(o.p); c.a = 9; r = u64(o.p.a);`],
  ["new S(other) has its values", 2n, `${two} const c = new Pair(o.p); r = u64(c.b);`],
  [
    "new S(element that is there)",
    7n,
    "const l = new List(); l.all[1].a = 7; const i: u32 = ctx.mss + 1; const e = l.all[i]; if (e) { const c = new Pair(e); l.all[1].a = 1; r = u64(c.a); }",
  ],
  [
    "a list is copied with the struct around it",
    5n,
    "const l = new List(); l.n[1] = 5; const n = new List(l).n; l.n[1] = 6; r = u64(n[1]);",
  ],
  [
    "a list into a field",
    5n,
    "const l = new List(); const m = new List(); l.n[1] = 5; m.n = l.n; l.n[1] = 6; r = u64(m.n[1]);",
  ],
  ["a struct into a field", 1n, `${two} o.q = o.p; o.p.a = 9; r = u64(o.q.a);`],
  ["a swap through a copy", 31n, `${two} const t = new Pair(o.p); o.p = o.q; o.q = t; r = u64(o.p.a * 10 + o.q.a);`],
  [
    "a variable of its own takes a new one",
    5n,
    "let p = new Pair({ a: 1 }); if (ctx.mss === 0) p = new Pair({ a: 5 }); r = u64(p.a);",
  ],
  [
    "a variable of its own takes a copy",
    31n,
    `${two} let p = new Pair(); p = new Pair(o.q); o.q.a = 1; r = u64(p.a * 10 + o.q.a);`,
  ],
  [
    "a variable keeps the best of a loop",
    32n,
    "const l = new List(); for (const i of range(4)) l.all[i].a = 3 - i; let best = new Pair({ a: 9 }); for (const x of l.all) { const c = new Pair({ a: x.a + 3, b: 2 }); if (c.a < best.a) best = new Pair(c); } r = u64(best.a * 10 + best.b);",
  ],
  [
    "what a function made",
    42n,
    "let p = make(1); for (const i of range(3)) if (i > 0) p = make(i + 2); const q = make(2); r = u64(p.a * 10 + q.a);",
    "function make(a: u32): Pair { return new Pair({ a }); }",
  ],
  [
    "assigning a struct to a field gives the struct",
    9n,
    `${two} const t = new Pair({ a: 5 }); o.p = o.q = t; r = u64(o.p.a + o.q.a - 1);`,
  ],
  [
    "a string variable",
    1n,
    'const d = new Deep(); let n = cstr("reno", 16); d.name = n; if (ctx.mss === 0) n = cstr("cubic", 16); d.name = n; r = 1n;',
  ],
  ["a struct with itself", 1n, `${two} const x = o.p; o.p = x; r = u64(x.a);`],
  [
    "an element with itself",
    4n,
    "const l = new List(); const i: u32 = ctx.mss + 1; l.all[1].a = 4; const e = l.all[i]; if (e && i < 4) { l.all[i] = e; r = u64(e.a); }",
  ],
  ["another field of the same struct", 1n, `${two} const x = o.p; o.q = new Pair(); r = u64(x.a);`],
  ["another slot of the map", 1n, "const a = slots.get(0); a.p.a = 1; slots.set(1, new Box()); r = u64(a.p.a);"],
  [
    "a reference that is not used any more",
    5n,
    `${two} const x = o.p; x.a = 8; o.p = new Pair({ a: 5 }); r = u64(o.p.a);`,
  ],
  ["a reference on the other way", 3n, `${two} const x = o.q; if (ctx.mss > 0) o.q = new Pair(); else r = u64(x.a);`],
  [
    "a reference on a way that ends",
    3n,
    `${two} const x = o.q; for (const _ of range(1)) { if (ctx.mss > 0) { o.q = new Pair(); break; } } r = u64(o.q.a) + u64(ctx.mss);`.replace(
      "const x = o.q; ",
      "const x = o.q; r = u64(x.a); ",
    ),
  ],
];

const errors: readonly (readonly [name: string, keys: readonly string[], body: string, top?: string])[] = [
  ["a field that is replaced", ["reference-replaced"], `${two} const x = o.p; o.p = new Pair(); r = u64(x.a);`],
  [
    "a field whose struct is replaced",
    ["reference-replaced"],
    "const d = new Deep(); const x = d.boxes[0].q; d.boxes[0] = new Box(); r = u64(x.a);",
  ],
  [
    "an element that may be the one",
    ["reference-replaced"],
    "const l = new List(); const i: u32 = ctx.mss; const x = l.all[1]; if (i < 4) l.all[i] = new Pair(); r = u64(x.a);",
  ],
  [
    "in a loop, before the store",
    ["reference-replaced"],
    `${two} const x = o.p; for (const _ of range(3)) { r += u64(x.a); o.p = new Pair(); }`,
  ],
  [
    "by a function",
    ["reference-replaced"],
    `${two} const x = o.p; reset(o); r = u64(x.a);`,
    "function reset(b: Box) { b.p = new Pair(); }",
  ],
  [
    "by a function of a function",
    ["reference-replaced"],
    "const x = g.p; outer(); r = u64(x.a);",
    "function outer() { reset(g); }\nfunction reset(b: Box) { b.p = new Pair(); }",
  ],
  [
    "not by a function that replaces another field",
    [],
    `${two} const x = o.q; reset(o); r = u64(x.a);`,
    "function reset(b: Box) { b.p = new Pair(); }",
  ],
  [
    "a variable of its own that another name stands for",
    ["reference-replaced"],
    "let p = new Pair({ a: 1 }); const x = p; p = new Pair({ a: 2 }); r = u64(x.a + p.a);",
  ],
  [
    "a slot of an array map",
    ["reference-replaced"],
    "const a = slots.get(0); slots.set(0, new Box()); r = u64(a.p.a);",
  ],
  [
    "by a parameter",
    ["reference-replaced"],
    `${two} both(o, o.p); r = u64(o.p.a);`,
    "function both(b: Box, p: Pair) { b.p = new Pair(); p.a = 9; }",
  ],
  [
    "in the middle of an expression",
    ["replaced-in-use"],
    `${two} take(o.p, (o.p = new Pair(), 1)); r = u64(o.p.a);`,
    "function take(p: Pair, n: u32) { p.a = n; }",
  ],
  [
    "under the target",
    ["replaced-in-use"],
    `${two} o.p.a = reset(o); r = u64(o.p.a);`,
    "function reset(b: Box): u32 { b.p = new Pair(); return 5; }",
  ],
  [
    "under a loop",
    ["replaced-in-use"],
    "const l = new List(); const m = new List(); for (const x of l.all) { r += u64(x.a); l.all = m.all; }",
  ],
  [
    "a parameter that is assigned",
    ["reference-assigned"],
    `${two} set(o.p); r = u64(o.p.a);`,
    "function set(p: Pair) { p = new Pair(); p.a = 9; }",
  ],
  ["a reference that is assigned", ["reference-assigned"], `${two} let x = o.p; x = new Pair(); r = u64(o.p.a + x.a);`],
  [
    "a variable that would become a second name",
    ["reference-copied"],
    `${two} let x = new Pair(); x = o.p; x.a = 9; r = u64(o.p.a);`,
  ],
  ["a global that would", ["reference-copied"], `${two} last = o.p; r = u64(last.a);`, "let last = new Pair();"],
  [
    "a struct of a turn that outlives it",
    ["reference-outlives"],
    "let best: Pair | undefined; for (const i of range(4)) { const c = new Pair({ a: i }); if (i === 2) best = c; } if (best) r = u64(best.a);",
  ],
  [
    "a struct of a turn that a function made",
    ["reference-outlives"],
    "let best: Pair | undefined; for (const i of range(4)) if (i === 2) best = make(i); if (best) r = u64(best.a);",
    "function make(a: u32): Pair { return new Pair({ a }); }",
  ],
  [
    "not one from a longer life",
    [],
    "let best: Pair | undefined; const l = new List(); for (const x of l.all) if (x.a === 0) best = x; if (best) r = u64(best.a);",
  ],
  ["a kernel's address", ["read-only"], "const ip = ctx.remoteIp6; ip[0] = htonl(1); r = u64(ntohl(ip[0]));"],
  [
    "a write after the copy that nobody reads",
    ["copy-written"],
    `${two} const t = new Pair({ a: 5 }); o.p = t; t.a = 9; r = u64(o.p.a);`,
  ],
  [
    "a write after the copy in a literal",
    ["copy-written"],
    "const t = new Pair({ a: 5 }); const o = new Box({ p: t }); t.a = 9; r = u64(o.p.a);",
  ],
  ["a write after set()", ["copy-written"], "const t = new Box(); boxes.set(1, t); t.p.a = 9; r = 1n;"],
  [
    "a write after the copy that is read",
    [],
    `${two} const t = new Pair({ a: 5 }); o.p = t; t.a = 9; r = u64(o.p.a + t.a);`,
  ],
  [
    "a write for the next turn",
    [],
    `${two} const t = new Pair({ a: 5 }); for (const i of range(2)) { o.p = t; t.a = i; } r = u64(o.p.a);`,
  ],
  [
    "a map's value after delete()",
    ["stale-reference"],
    "const e = boxes.get(1); boxes.delete(1); if (e) r = u64(e.p.a);",
  ],
  [
    "a map's value after set()",
    ["stale-reference"],
    "const e = boxes.get(1); boxes.set(1, new Box()); if (e) r = u64(e.p.a);",
  ],
  [
    "a map's value after a function",
    ["stale-reference"],
    "const e = boxes.get(1); drop(1); if (e) r = u64(e.p.a);",
    "function drop(k: u32) { boxes.delete(k); }",
  ],
  [
    "a scalar's place after delete()",
    ["stale-reference"],
    "const e = hits.ref(1); hits.delete(1); if (e) e.value += 1;",
    "const hits = new HashMap({ key: u32, value: u32, maxEntries: 4 });",
  ],
  ["not after delete() of another constant key", [], "const e = boxes.get(1); boxes.delete(2); if (e) r = u64(e.p.a);"],
  [
    "not a number that was read",
    [],
    "const e = hits.get(1); hits.delete(1); if (e !== undefined) r = u64(e);",
    "const hits = new HashMap({ key: u32, value: u32, maxEntries: 4 });",
  ],
  [
    "not when it is got again",
    [],
    "const e = boxes.get(1); if (e) e.p.a = 1; boxes.delete(1); const f = boxes.get(1); if (f) r = u64(f.p.a);",
  ],
];

const table = (cases: readonly Case[]) => cases.map(([name, expected, body, top]) => ({ name, expected, body, top }));
const withTypes = (top: string | undefined): string => (top === undefined ? TYPES : `${TYPES}\n${top}`);

describe("language: references", () => {
  test.each(table(refers))("$name", ({ expected, body, top }) => expect(run(body, withTypes(top))).toBe(expected));
});
describe("language: copies are said", () => {
  test.each(table(copies))("$name", ({ expected, body, top }) => expect(run(body, withTypes(top))).toBe(expected));
});
describe("language: what a reference cannot be", () => {
  test.each(errors.map(([name, keys, body, top]) => ({ name, keys, body, top })))("$name", ({ keys, body, top }) => {
    expect(keysOf(body, withTypes(top))).toEqual(keys);
  });
});
