/** Long chains cost time in proportion to their length: measured beside a chain a quarter as long, in the same run. */
import { describe, expect, test } from "vitest";
import { compile } from "../../compiler/compile.ts";

const list = (n: number, one: (i: number) => string, separator: string): string =>
  Array.from({ length: n }, (_, i) => one(i)).join(separator);
const CHAINS: Readonly<Record<string, (n: number) => string>> = {
  "? :": (n) => `m.get(0).a = ${list(n, (i) => `a === ${7 * i + 1} ? ${i} : `, "")}0;`,
  "else if": (n) => list(n, (i) => `if (a === ${7 * i + 1}) m.get(0).a = ${i % 5};`, " else "),
  "&&": (n) => `if (${list(n, (i) => `a !== ${7 * i + 1}`, " && ")}) m.get(0).a = 1;`,
  "||": (n) => `if (${list(n, (i) => `a === ${7 * i + 1}`, " || ")}) m.get(0).a = 1;`,
  switch: (n) => `switch (a) { ${list(n, (i) => `case ${7 * i + 1}: m.get(0).a = ${i % 5}; break;`, "\n")} }`,
  assignments: (n) => `let b: u32 = a; ${list(n, (i) => `b = b ^ ${i};`, "\n")} m.get(0).a = b;`,
  "+": (n) => `m.get(0).a = ${list(n, () => "a", " + ")};`,
};
const program = (body: string): string => `import { ArrayMap, license, struct, u32 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
class S extends struct({ a: u32 }) {}
export const m = new ArrayMap({ value: S, maxEntries: 1 });
export const p = sockOps((ctx) => {
  const a = ctx.mss;
  ${body}
  return 1;
});
`;

/** Processor time, in ms. */
function cost(text: string): number {
  const before = process.cpuUsage();
  const { diagnostics } = compile({ path: "chain.ts", text }, { maxInsns: 100_000 });
  const { user, system } = process.cpuUsage(before);
  expect(diagnostics).toEqual([]);
  return (user + system) / 1000;
}

/** Statements enough for the flow to be shortened, then uses that are asked for their types before their turn. */
const LATE_USES = `import { array, ArrayMap, i32, license, struct, u32 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
class S extends struct({ a: u32, b: i32, list: array(u32, 8) }) {}
export const m = new ArrayMap({ value: S, maxEntries: 1 });
export const p = sockOps(() => {
  const o = m.get(0);
  ${list(200, () => "o.a = o.a ^ 1;", "\n  ")}
  const first = o.list[o.a];
  if (first !== undefined) {
    switch (o.a) {
      default: {
        if (o.b !== 6) {
          if (o.b === 7) {
          } else {
            const at: u32 = u32(o.b) + 1;
            if (at < 2) {
            } else {
              for (let i = 2; i < 8; i += 2) {
                const e = o.list[(o.b = 3)];
                if (e !== undefined) o.list[1] = e;
              }
            }
          }
        }
      }
    }
  }
  return 1;
});
`;

describe("errors: scale", () => {
  test("a name that has a value has one in a large file, too", () => {
    const { diagnostics } = compile({ path: "late.ts", text: LATE_USES }, {});
    expect(diagnostics.filter(({ severity }) => severity === "error")).toEqual([]);
  });

  test.each(Object.entries(CHAINS))(
    "a chain of 480 × %s takes less than ten times as long as one of 120",
    (_, chain) => {
      const short = Math.min(cost(program(chain(120))), cost(program(chain(120))));
      const long = cost(program(chain(480)));
      expect(long / short).toBeLessThan(10);
    },
    120_000,
  );

  test("helpers that call each other 16 times over are refused before they are copied", () => {
    const helpers = (call: (i: number) => string): string =>
      program("m.get(0).a = f0(a);").replace(
        "export const p",
        `${list(16, (i) => `function f${i}(x: u32): u32 { return ${call(i)}; }`, "\n")}\nfunction f16(x: u32): u32 { return x; }\nexport const p`,
      );
    const once = cost(helpers((i) => `f${i + 1}(x + 1)`));
    const before = process.cpuUsage();
    const { diagnostics } = compile({ path: "twice.ts", text: helpers((i) => `f${i + 1}(x) + f${i + 1}(x + 1)`) });
    const { user, system } = process.cpuUsage(before);
    expect(diagnostics.map((one) => one.key)).toEqual(["calls-too-large"]);
    expect(diagnostics[0]!.message).toContain("p → f0 → f1 → f2 →");
    expect((user + system) / 1000 / once).toBeLessThan(4);
  });

  test("500 calls, one in the other, are refused by name", () => {
    const text = program("m.get(0).a = f0(a);").replace(
      "export const p",
      `${list(500, (i) => `function f${i}(x: u32): u32 { return f${i + 1}(x + 1); }`, "\n")}\nfunction f500(x: u32): u32 { return x; }\nexport const p`,
    );
    const { diagnostics } = compile({ path: "deep.ts", text });
    expect(diagnostics.map((one) => [one.key, one.message])).toEqual([
      ["nested-too-deep", "calls nest 200 deep here: the compiler cannot follow"],
    ]);
  });

  test.each([
    ["a sum of 3,000 terms", `m.get(0).a = ${list(3000, () => "a", " + ")};`, []],
    [
      "3,000 parentheses",
      `m.get(0).a = ${"(".repeat(3000)}a${")".repeat(3000)};`,
      ["brackets nest 3002 deep here: the compiler cannot follow"],
    ],
    [
      "3,000 arms of ? :",
      `m.get(0).a = ${list(3000, (i) => `a === ${i} ? ${i} : `, "")}0;`,
      ["… ? … : … nest 3000 deep here: the compiler cannot follow"],
    ],
    [
      "3,000 times not",
      `m.get(0).a = ${"~".repeat(3000)}a;`,
      ["operators before a value nest 3000 deep here: the compiler cannot follow"],
    ],
  ])("%s are taken, or refused by name", (_, body, messages) => {
    const { diagnostics } = compile({ path: "long.ts", text: program(body) });
    expect(diagnostics.map((one) => one.message)).toEqual(messages);
    for (const one of diagnostics) expect(one.help).toBeDefined();
  });
});
