/** JavaScript evaluates each expression when its turn comes, once, and a missing value equals no value but a missing one. */
import { describe, expect, test } from "vitest";
import { run, type Case } from "./run.ts";

/** `log(n)` notes that it ran: the decimal digits of `g.order`, oldest first. */
const ORDER = [
  "class Order extends struct({ seen: u64, n: u32 }) {}",
  "const g = new Order();",
  "function note(n: u32): u32 { g.seen = g.seen * 10n + u64(n); return n; }",
].join("\n");
const MAPS = [
  "class Pair extends struct({ a: u32, b: u32 }) {}",
  "export const m = new HashMap({ key: u32, value: u32, maxEntries: 4 });",
  "export const s = new HashMap({ key: u32, value: Pair, maxEntries: 4 });",
].join("\n");
const LIST = "class L extends struct({ b: array(u32, 4) }) {}\nexport const l = new L();\n";

const cases: readonly Case[] = [
  [
    "a case is evaluated when its turn comes, once, and not after the one that matches",
    100n + 12n,
    "let n: u32 = 2; n += 0; switch (n) { case note(1): r = 1n; break; case note(2): r = 100n; break; case note(3): r = 3n; } r += g.seen;",
    ORDER,
  ],
  [
    "constant cases before others stay in their place",
    7n,
    "let n: u32 = 1; n += 0; switch (n) { case 1: r = 7n; break; case note(1): r = 1n; break; } r += g.seen;",
    ORDER,
  ],
  [
    "the default in the middle comes after all cases",
    123n,
    "let n: u32 = 9; n += 0; switch (n) { case note(1): r = 1n; break; default: r = g.seen; break; case note(2): case note(3): r = 2n; }",
    ORDER,
  ],
  [
    "a case that matches leads to the next statements without evaluating the cases between",
    10n + 1n,
    "let n: u32 = 1; n += 0; switch (n) { case note(1): case note(2): r += 10n; } r += g.seen;",
    ORDER,
  ],
  [
    "a case that changes what is switched on",
    5n,
    "let n: u32 = 3; n += 0; switch (n) { case n++: r = 5n; break; case n: r = 6n; }",
  ],
  [
    "a case with an effect that is constant",
    42n,
    "let n: u32 = 3; n += 0; switch (n) { case (note(4), 1): r = 1n; break; case (note(2), 3): r = g.seen; }",
    ORDER,
  ],
  [
    "switch on a value that may be missing takes the default",
    9n,
    "switch (m.get(1)) { case 0: r = 1n; break; case 3: r = 2n; break; default: r = 9n; }",
    MAPS,
  ],
  [
    "a case that may be missing equals no number",
    9n,
    "let n: u32 = 0; n += 0; switch (n) { case m.get(1): r = 1n; break; default: r = 9n; }",
    MAPS,
  ],
  ["a case undefined", 4n, "switch (m.get(1)) { case 0: r = 1n; break; case undefined: r = 4n; }", MAPS],
  [
    "a case undefined, where there is a value",
    1n,
    "m.set(1, 5); switch (m.get(1)) { case undefined: r = 4n; break; case 5: r = 1n; }",
    MAPS,
  ],
  ["a comparison with a missing value, as a value", 0n, "const same = m.get(1) === 0; r = same ? 1n : 0n;", MAPS],
  ["its opposite", 1n, "const other = m.get(1) !== 0; r = other ? 1n : 0n;", MAPS],
  ["two missing values are equal", 1n, "if (m.get(1) === m.get(2)) r = 1n;", MAPS],
  ["two missing values are equal, as a value", 1n, "const same = m.get(1) === m.get(2); r = same ? 1n : 0n;", MAPS],
  ["a missing and a present value differ", 1n, "m.set(1, 0); if (m.get(1) !== m.get(2)) r = 1n;", MAPS],
  ["a present and a missing value differ", 1n, "m.set(2, 0); if (m.get(1) !== m.get(2)) r = 1n;", MAPS],
  ["two present values are compared", 1n, "m.set(1, 8); m.set(2, 8); if (m.get(1) === m.get(2)) r = 1n;", MAPS],
  [
    "a missing argument takes the default",
    10n,
    "r = u64(f(m.get(1)));",
    `${MAPS}\nfunction f(a: u32 = 10): u32 { return a; }`,
  ],
  [
    "an argument that is there does not, though it is 0",
    0n,
    "m.set(1, 0); r = u64(f(m.get(1)));",
    `${MAPS}\nfunction f(a: u32 = 10): u32 { return a; }`,
  ],
  [
    "undefined as an argument takes the default",
    10n,
    "r = u64(f(undefined));",
    "function f(a: u32 = 10): u32 { return a; }",
  ],
  [
    "a default of a type that may be missing",
    11n,
    "r = u64(f(m.get(1)));",
    `${MAPS}\nfunction f(a: u32 | undefined = 10): u32 { return a + 1; }`,
  ],
  [
    "a default is evaluated when the argument is missing, after the arguments, and only then",
    213n + 10000n,
    "m.set(7, 5); f(m.get(1), note(2)); r = g.seen; g.seen = 1n; f(m.get(7), note(0)); r = r * 1n + g.seen * 0n; r += g.seen === 103n ? 10000n : 0n;",
    `${ORDER}\n${MAPS}\nfunction f(a: u32 = note(1), b: u32): u32 { return note(3) + a + b; }`,
  ],
  [
    "a default struct",
    7n,
    "const p = new Pair({ a: 7 }); r = u64(f(s.get(1), p));",
    `${MAPS}\nfunction f(x: Pair | undefined, d: Pair): u32 { const y = x ?? d; return y.a; }`,
  ],
  [
    "the target of an assignment comes before its value",
    12n,
    "l.b[note(1) & 3] = note(2); r = g.seen;",
    `${ORDER}\n${LIST}`,
  ],
  [
    "an index that the value changes",
    50n,
    "let i: u32 = 1; i += 0; l.b[i & 3] = (i = 2, 5); r = u64(l.b[1] * 10 + l.b[2]);",
    LIST,
  ],
  [
    "compound assignment evaluates its place once",
    1n + 60n,
    "l.b[1] = 4; l.b[(note(1), 1)] += 2; r = g.seen + u64(l.b[1]) * 10n;",
    `${ORDER}\n${LIST}`,
  ],
  ["so does ++", 1n + 50n, "l.b[1] = 4; l.b[(note(1), 1)]++; r = g.seen + u64(l.b[1]) * 10n;", `${ORDER}\n${LIST}`],
  ["x += (x = 5) reads x first", 6n, "l.b[0] = 1; l.b[0] += (l.b[0] = 5); r = u64(l.b[0]);", LIST],
  [
    "an assignment gives the value, and evaluates targets from the left",
    123n,
    "l.b[note(1) & 3] = l.b[note(2) & 3] = note(3); r = g.seen;",
    `${ORDER}\n${LIST}`,
  ],
  [
    "an optional chain evaluates nothing after a missing value",
    1n,
    "r = u64(t.get(note(1))?.b[note(2) & 3] ?? 0); r += g.seen;",
    `${ORDER}\n${LIST}const t = new HashMap({ key: u32, value: L, maxEntries: 4 });`,
  ],
  [
    "an optional chain evaluates each part once",
    12n,
    "t.set(1, l); r = u64(t.get(note(1))?.b[note(2) & 3] ?? 9); r += g.seen;",
    `${ORDER}\n${LIST}const t = new HashMap({ key: u32, value: L, maxEntries: 4 });`,
  ],
  [
    "?? evaluates its right side when it must",
    8n + 10n,
    "r = u64(m.get(1) ?? note(8)) + g.seen; m.set(1, 2); r += u64(m.get(1) ?? note(9));",
    `${ORDER}\n${MAPS}`,
  ],
  [
    "min and max evaluate each argument once, from the left",
    52n + 2n,
    "r = u64(min(note(5), note(2))) + g.seen;",
    ORDER,
  ],
  ["clamp too", 519n + 5n, "r = u64(clamp(note(5), note(1), note(9))) + g.seen;", ORDER],
  ["a ternary evaluates one arm", 12n, "const x = note(1) > 0 ? note(2) : note(3); r = g.seen + u64(x) * 0n;", ORDER],
  ["the key of set() comes before its value", 12n, "m.set(note(1), note(2)); r = g.seen;", `${ORDER}\n${MAPS}`],
  [
    "set() with a look-up of the same map as its value",
    77n,
    "m.set(3, 7); m.set(m.get(3) ?? 0, m.get(3) ?? 1); r = u64(m.get(7) ?? 0) * 11n;",
    MAPS,
  ],
  [
    "for … of over an expression evaluates it once",
    1n + 40n,
    "for (const x of pick(note(1)).b) r += 10n + u64(x) * 0n; r += g.seen;",
    `${ORDER}\n${LIST}function pick(n: u32): L { l.b[0] = n; return l; }`,
  ],
  [
    "arguments from the left, then the body",
    123n,
    "f(note(1), note(2)); r = g.seen;",
    `${ORDER}\nfunction f(a: u32, b: u32): u32 { return note(3) + a + b; }`,
  ],
  [
    "operands from the left",
    1234n,
    "const x = note(1) + note(2) * note(3) < note(4); r = g.seen + (x ? 0n : 0n);",
    ORDER,
  ],
  ["a left operand keeps its value", 1n + 10n * 5n, "let a: u32 = 1; a += 0; r = u64(a) + u64((a = 5)) * 10n; a = 0;"],
  [
    "the fields of a literal in their order, stored when all are known",
    213n,
    "const p = new Three({ b: note(2), a: note(1), c: note(3) }); r = g.seen + u64(p.a + p.b + p.c) * 0n;",
    `${ORDER}\nclass Three extends struct({ a: u32, b: u32, c: u32 }) {}`,
  ],
  [
    "a literal that holds what it is stored over",
    21n,
    "const o = new Outer({ p: { a: 1, b: 2 } }); o.p = new Pair({ a: o.p.b, b: o.p.a }); r = u64(o.p.a * 10 + o.p.b);",
    `${MAPS}\nclass Outer extends struct({ p: Pair }) {}`,
  ],
  [
    "a literal that holds a part of the map's value that it is stored over",
    3n,
    "t.set(1, new Two({ both: new Box({ y: new Pair({ a: 3 }) }) })); const e = t.get(1); if (e) { const y = part(e); if (y) { e.both = { x: y, y: { a: 5, b: 0 } }; } r = u64(e.both.x.a); }",
    `${MAPS}\nclass Box extends struct({ x: Pair, y: Pair }) {}\nclass Two extends struct({ both: Box }) {}\nconst t = new HashMap({ key: u32, value: Two, maxEntries: 4 });\nfunction part(e: Two): Pair | undefined { return e.both.y; }`,
  ],
];

describe("language: evaluation order in the virtual machine", () => {
  test.each(cases.map(([name, expected, body, top]) => ({ name, expected, body, top })))(
    "$name",
    ({ expected, body, top }) => {
      expect(run(body, top)).toBe(expected);
    },
  );
});
