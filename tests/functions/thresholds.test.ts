/** The thresholds of compiler/keep-functions.ts, each by two programs: one on this side of it and one on the other. */
import { describe, expect, test } from "vitest";
import { longestPath } from "../../compiler/bpf/longest-path.ts";
import { compile } from "../../compiler/compile.ts";

const HEAD = `import { i32, i64, license, u32 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
`;
const each = (count: number, line: (index: number) => string): string =>
  Array.from({ length: count }, (_, index) => line(index)).join("\n");
/** As many lines, each of which is one instruction. */
const singles = (count: number): string =>
  each(count, (at) => `x ${at % 2 === 0 ? "^" : "+"}= ${0x123_4567 + at * 77};`);
const program = (func: string, body: string): string =>
  `${HEAD}${func}\nexport const program = sockOps((ctx) => {\n${body}\nreturn 1;\n});`;

interface Figures {
  readonly functions: readonly string[];
  readonly longest: number;
  /** Slots of the function, where it stays. */
  readonly body: number;
}
function figures(text: string, functions: "choose" | "inline" | "keep"): Figures {
  const { module, diagnostics } = compile({ path: "functions.ts", text }, { functions });
  expect(diagnostics.filter(({ severity }) => severity === "error").map(({ message }) => message)).toEqual([]);
  const { insns, functions: parts } = module!.programs[0]!;
  return {
    functions: parts.slice(1).map(({ name }) => name),
    longest: longestPath(
      insns,
      parts.map(({ slot }) => slot),
    )!,
    body: insns.length - (parts[1]?.slot ?? insns.length),
  };
}
const kept = (text: string): readonly string[] => figures(text, "choose").functions;

describe("a body", () => {
  const ofSlots = (slots: number): string =>
    program(
      `function f(v: u32): u32 { let x = v;\n${singles(slots - 2)}\nreturn x; }`,
      `let r: u32 = ctx.mss;\n${each(9, (at) => `r += f(r + ${at});`)}\nctx.reply = i32(r & 0xffff);`,
    );
  test("of 12 slots is worth a call, one of 11 is not", () => {
    expect([11, 12].map((slots) => figures(ofSlots(slots), "keep").body)).toEqual([11, 12]);
    expect([11, 12].map((slots) => kept(ofSlots(slots)))).toEqual([[], ["f"]]);
  });

  // Divisions of 64 bits become several instructions each: both bodies have more than 12 slots.
  const ofDivisions = (value: string): string =>
    program(
      `function f(v: i64): i64 { return ${value}; }`,
      `let r: i64 = i64(ctx.bytesAcked);\n${each(6, (at) => `r += f(r + ${at}n);`)}\nctx.reply = i32(r);`,
    );
  test("of 8 instructions before optimization is tried, one of 7 is not", () => {
    // Three constants, so many divisions, and the end.
    const [seven, eight] = ["v / 7n / 5n / 3n", "v / 7n / 5n / (v / 3n)"].map(ofDivisions) as [string, string];
    expect(figures(seven, "keep").body).toBeGreaterThan(20);
    expect([kept(seven), kept(eight)]).toEqual([[], ["f"]]);
  });
});

test("a function that is called in one place when all is folded is put there, though another stays", () => {
  const named = (name: string): string => `function ${name}(v: u32): u32 { let x = v;\n${singles(20)}\nreturn x; }`;
  const text = (last: string): string =>
    program(
      `${named("f")}\n${named("g")}`,
      `let r: u32 = ctx.mss;\nr += f(r);\nif ((r & ${last}) !== 0) r += f(r + 7);\n${each(9, (at) => `r += g(r + ${at});`)}\nctx.reply = i32(r & 0xffff);`,
    );
  expect(["1", "0"].map((last) => kept(text(last)))).toEqual([["f", "g"], ["g"]]);
});

describe("the longest run", () => {
  test("of a long program is at most five thirds as long as with everything in its place", () => {
    const steps = (count: number): string => each(count, (at) => `x = (x * ${at + 3}) ^ (x >> ${(at % 7) + 1});`);
    const text = (light: number): string =>
      program(
        `function f(v: u32, heavy: boolean): u32 { let x = v;\nif (heavy) {\n${steps(20)}\n} else {\n${steps(light)}\n}\nreturn x; }`,
        "let r: u32 = ctx.mss;\nr += f(r, true);\nr += f(r + 1, false);\nr += f(r + 2, false);\nctx.reply = i32(r & 0xffff);",
      );
    const ratio = (light: number): number =>
      figures(text(light), "keep").longest / figures(text(light), "inline").longest;
    expect(ratio(8)).toBeGreaterThan(5 / 3);
    expect(ratio(8)).toBeLessThan(1.75);
    expect(ratio(9)).toBeGreaterThan(1.6);
    expect(ratio(9)).toBeLessThan(5 / 3);
    expect([8, 9].map((light) => kept(text(light)))).toEqual([[], ["f"]]);
  });

  test("of a short one is at most 16 instructions longer", () => {
    // The second program is much smaller with calls; in the first each line before the light call is one instruction that the heavy path lacks.
    const text = (before: number): string =>
      `${program(
        `function f(v: u32, heavy: boolean): u32 { let x = v;\nif (heavy) {\n${singles(12)}\n}\nreturn x; }`,
        `const r: u32 = ctx.mss;
if (r > 5000) { ctx.reply = i32(f(r, true)); return 1; }
let x = r;
${singles(before)}
ctx.reply = i32(f(x, false));`,
      )}
export const other = sockOps((ctx) => { let r: u32 = ctx.mss;\n${each(9, (at) => `r += f(r + ${at}, true);`)}\nctx.reply = i32(r & 0xffff); return 1; });`;
    const longer = (before: number): number =>
      figures(text(before), "keep").longest - figures(text(before), "inline").longest;
    const last = [8, 9, 10, 11, 12].find((before) => longer(before) === 16)!;
    expect(longer(last + 1)).toBe(17);
    expect([kept(text(last)), kept(text(last + 1))]).toEqual([["f"], []]);
  });
});
