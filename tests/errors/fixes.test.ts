/** Each fix of a diagnostic, applied: the mistake is gone, and what was a program still is one. */
import { existsSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { catalogue, type Diagnostic, type Key } from "../../compiler/diagnostics.ts";
import { applied } from "../../compiler/diagnostics/fix.ts";
import { fixable } from "../../compiler/diagnostics/fixes.ts";
import { compile } from "../../compiler/compile.ts";
import { compileCase, folder, readCase } from "./cases.ts";

const keys = (Object.keys(catalogue) as Key[]).filter((key) => existsSync(`${folder}${key}.ts`));

/** All reports of all cases, with what is left when the fix is applied. */
const mended = keys.flatMap((key) => {
  const one = readCase(key);
  const name = `${key}.ts`;
  const before = compileCase(name, one);
  return before.diagnostics.flatMap((diagnostic) => {
    if (!diagnostic.fix || diagnostic.span!.file !== 0) return [];
    const text = applied(one.text, diagnostic.fix, 0);
    return [{ name, text, diagnostic, before: before.diagnostics, after: compileCase(name, one, text).diagnostics }];
  });
});
const count = (list: readonly Diagnostic[], key: Key): number => list.filter((one) => one.key === key).length;
const texts = (list: readonly Diagnostic[]): string[] => list.map((one) => `${one.key}: ${one.message}`);

const labelOf = ({ name, diagnostic }: { readonly name: string; readonly diagnostic: Diagnostic }): string =>
  `${name} ${diagnostic.span!.start}: ${diagnostic.fix!.title}`;

/** Mistakes that come to light when another one of the case is mended. */
const HIDDEN: Readonly<Record<string, readonly string[]>> = {
  "non-null-assertion.ts 225: name it, and test it first: if (entry === undefined) return 1;": [
    "type-error: u32 may not fit i32 (TS2322)",
  ],
  "unsigned-countdown.ts 219: write i: i32": ["type-error: i32 may be negative, u32 cannot hold that (TS2345)"],
  "unsigned-countdown.ts 299: write i: i32": ["type-error: i32 may be negative, u32 cannot hold that (TS2345)"],
};

describe("fixes", () => {
  test("every key that has fixes has one in a case, and no other key has one", () => {
    expect([...new Set(mended.map(({ diagnostic }) => diagnostic.key))].sort()).toEqual([...fixable].sort());
  });

  test.each(mended.map((one) => [labelOf(one), one] as const))("%s", (label, { text, diagnostic, before, after }) => {
    expect(count(after, diagnostic.key), text).toBeLessThan(count(before, diagnostic.key));
    // Nothing else is wrong then that was not wrong before, but what the mistake hid.
    const fresh = texts(after).filter((one) => !texts(before).includes(one) && !one.startsWith("unused"));
    expect(fresh, text).toEqual(HIDDEN[label] ?? []);
  });

  test("what is said to be hidden is", () => {
    expect(Object.keys(HIDDEN).filter((label) => !mended.some((one) => labelOf(one) === label))).toEqual([]);
  });
});

const HEAD = `import { HashMap, license, struct, u8, u32, u64 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
class Counter extends struct({ turns: u8, total: u64 }) {}
export const counters = new HashMap({ key: u32, value: Counter, maxEntries: 4 });
`;
const inProgram = (body: string): string => `${HEAD}export const p = sockOps((ctx) => {\n  ${body}\n  return 1;\n});\n`;

/** Wrong, and what the fixes make of it, one after the other until there is none. */
const MENDED: readonly (readonly [wrong: string, right: string])[] = [
  [
    "const c = counters.get(1);\n  c.turns = 1;",
    "const c = counters.get(1);\n  if (c === undefined) return 1;\n  c.turns = 1;",
  ],
  [
    "counters.get(1).turns = 1;",
    "const entry = counters.get(1);\n  if (entry === undefined) return 1;\n  entry.turns = 1;",
  ],
  ["const small: u8 = ctx.mss;\n  ctx.reply = small;", "const small: u8 = u8(ctx.mss);\n  ctx.reply = small;"],
  ["const c = new Counter();\n  c.turns = ctx.mss;", "const c = new Counter();\n  c.turns = u8(ctx.mss);"],
  [
    "const c = new Counter({ turns: ctx.mss });\n  ctx.reply = c.turns;",
    "const c = new Counter({ turns: u8(ctx.mss) });\n  ctx.reply = c.turns;",
  ],
  ["const c = new Counter();\n  c.total = 1;", "const c = new Counter();\n  c.total = 1n;"],
  ["if (ctx.msss > 3) ctx.reply = 1;", "if (ctx.mss > 3) ctx.reply = 1;"],
  ["if (ctx.remotePort === 443) ctx.reply = 1;", "if (ctx.remotePort === htons(443)) ctx.reply = 1;"],
  ["if (ctx.remotePort == htons(443)) ctx.reply = 1;", "if (ctx.remotePort === htons(443)) ctx.reply = 1;"],
];

test.each(MENDED)("mended: %s", (wrong, right) => {
  let text = inProgram(wrong);
  for (let turn = 0; turn < 4; turn++) {
    const fix = compile({ path: "p.ts", text }).diagnostics.find((one) => one.fix)?.fix;
    if (!fix) break;
    text = applied(text, fix, 0);
  }
  const imported = right.includes("htons") ? HEAD.replace("u64 }", "u64, htons }") : HEAD;
  expect(text).toBe(inProgram(right).replace(HEAD, imported));
  expect(compile({ path: "p.ts", text }).diagnostics.filter((one) => one.severity === "error")).toEqual([]);
});
