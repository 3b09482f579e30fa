/** A constant of a declared type is computed in that type, like a variable of it; literals alone have no width. */
import { describe, expect, test } from "vitest";
import { keysOf, run, type Case } from "./run.ts";

const SMALL = "class Small extends struct({ words: array(u32, 2) }) {}\n";
const cases: readonly Case[] = [
  ["sizeOf is a u32", 4294966468n, "r = u64(i64(sizeOf(Small) - 836));", SMALL],
  ["so is a constant made from it", 4294966468n, "r = u64(i64(LESS));", `${SMALL}const LESS = sizeOf(Small) - 836;`],
  ["a typed constant", 4294966468n, "r = u64(i64(EIGHT - 836));", "const EIGHT: u32 = 8;"],
  ["a typed local constant", 4294966468n, "const e: u32 = 8; r = u64(i64(e - 836));"],
  ["a cast", 4294966468n, "r = u64(i64(u32(8) - 836));"],
  [
    "a cast in a record",
    4294966468n,
    "r = u64(i64(LIMITS.eight - 836));",
    "const LIMITS = { eight: u32(8) } as const;",
  ],
  ["a narrow one counts as u32", 4294967295n, "r = u64(i64(ONE - u8(2)));", "const ONE: u8 = 1;"],
  ["and so multiplies", 40000n, "r = u64(BYTE * u8(200));", "const BYTE: u8 = 200;"],
  ["a u64 wraps at 64 bits", 0n, "r = BIG * 2n;", "const BIG: u64 = 0x8000000000000000n;"],
  ["an i32 wraps at 32", 2n ** 64n - 2n ** 31n, "r = u64(TOP + 1);", "const TOP: i32 = 0x7fffffff;"],
  ["a product of sizes", 64n, "r = u64(sizeOf(Small) * sizeOf(Small));", SMALL],
  ["a shifted size", 2n ** 31n, "r = u64(sizeOf(Small) << 28);", SMALL],
  ["a shift that drops bits", 0n, "r = u64(sizeOf(Small) << 29);", SMALL],
  ["minus", 4294967288n, "r = u64(i64(-sizeOf(Small)));", SMALL],
  ["the complement", 4294967287n, "r = u64(i64(~sizeOf(Small)));", SMALL],
  ["the larger of two", 4294967288n, "r = u64(max(sizeOf(Small) - 16, 3));", SMALL],
  [
    "a length of an array from a size",
    24n,
    "r = u64(sizeOf(Large));",
    `${SMALL}class Large extends struct({ b: array(u8, sizeOf(Small) * 3) }) {}`,
  ],
  ["a parameter of the loader", 8n, "r = u64(p);", `${SMALL}export const p = param(u32, sizeOf(Small));`],
  ["literals alone have no width", 2n ** 64n - 828n, "r = u64(i64(8 - 836));"],
  ["nor has a constant without a type", 2n ** 64n - 828n, "r = u64(i64(EIGHT - 836));", "const EIGHT = 8;"],
  [
    "nor has a length, whose type is the number itself",
    2n ** 64n - 834n,
    "const s = new Small(); r = u64(i64(s.words.length - 836));",
    SMALL,
  ],
  ["the mean of typed constants divides as u32", 2147483647n, "r = u64((sizeOf(Small) - 9) / 2);", SMALL],
  ["a size is compared as u32", 1n, "if (sizeOf(Small) - 9 > 5) r = 1n;", SMALL],
  ["a size chooses a case", 3n, "let n: u32 = 8; n += 0; switch (n) { case sizeOf(Small): r = 3n; }", SMALL],
  ["a constant keeps its declared type", 1n, "r = u64(HALF >> 7);", "const HALF: u8 = u8(100) + u8(100);"],
];

describe("language: constants of a declared type", () => {
  test.each(cases.map(([name, expected, body, top]) => ({ name, expected, body, top })))(
    "$name",
    ({ expected, body, top }) => {
      expect(run(body, top)).toBe(expected);
    },
  );

  test.each([
    ["const SUM: u8 = u8(200) + u8(100);", "r = u64(SUM);"],
    ["const LESS: i32 = u32(1) - u32(2);", "r = u64(LESS);"],
  ])("a value that its type cannot hold is an error: %s", (top, body) => {
    expect(keysOf(body, top)).toEqual(["literal-range"]);
  });
});
