/** A program is built if either form of it can be held: its functions kept, or in the places of their calls. */
import { describe, expect, test } from "vitest";
import { compile, type CompileResult } from "../../compiler/compile.ts";

const HEAD = `import { array, ArrayMap, license, range, struct, u32 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
class Rows extends struct({ row: array(u32, 64) }) {}
const rows = new ArrayMap({ value: Rows, maxEntries: 1 });
`;
/** As many instructions that depend on each other. */
const chain = (count: number): string =>
  Array.from({ length: count }, (_, at) => `v ${at % 2 === 0 ? "^" : "+"}= ${0x123_4567 + at * 77};`).join("\n");
/** Twenty decisions about the difference of two numbers, each of which the verifier follows both ways. */
const mixed = (calls: string): string => `${HEAD}
function mix(x: u32, y: u32): u32 {
  let at: u32 = 0;
  for (const i of range(20)) if (((x ^ y) >> i) & 1) at = at * 3 + i;
  let v = x;
  ${chain(300)}
  return at + (v & 1);
}
export const program = sockOps((ctx) => {
  const a = ctx.mss;
  const b = ctx.segsIn;
  const c = ctx.sndCwnd;
  ${calls}
  return 1;
});`;

const errors = ({ diagnostics }: CompileResult): string[] =>
  diagnostics.filter(({ severity }) => severity === "error").map(({ key }) => key);
const kept = ({ module }: CompileResult): string[] | undefined =>
  module?.programs[0]!.functions.slice(1).map(({ name }) => name);

describe("a function that the verifier cannot follow to its end", () => {
  const text = mixed("rows.get(0).row[(mix(a, a) ^ mix(b, b) ^ mix(c, c)) & 63] = 1;");
  test("is put in the places of its calls, where the compiler knows more", () => {
    const chosen = compile({ path: "mix.ts", text });
    expect(errors(chosen)).toEqual([]);
    expect(kept(chosen)).toEqual([]);
  });
  test("would have been kept otherwise", () => {
    expect(kept(compile({ path: "mix.ts", text }, { verify: false }))).toEqual(["mix"]);
  });
  test("is an error where neither form can be followed", () => {
    const both = mixed("rows.get(0).row[(mix(a, b) ^ mix(b, c) ^ mix(c, a)) & 63] = 1;");
    expect(errors(compile({ path: "mix.ts", text: both }))).toEqual(["too-complex"]);
  });
});

test("a function stays where its copies would be too many instructions", () => {
  const calls = Array.from({ length: 20 }, (_, at) => `sum += twist(a + ${at});`).join(" ");
  const text = `${HEAD}
function twist(x: u32): u32 { let v = x; ${chain(300)} return v; }
export const program = sockOps((ctx) => {
  const a = ctx.mss;
  let sum: u32 = 0;
  ${calls}
  rows.get(0).row[sum & 63] = 1;
  return 1;
});`;
  expect(errors(compile({ path: "twist.ts", text }, { functions: "inline" }))).not.toEqual([]);
  const chosen = compile({ path: "twist.ts", text });
  expect(errors(chosen)).toEqual([]);
  expect(kept(chosen)).toEqual(["twist"]);
});
