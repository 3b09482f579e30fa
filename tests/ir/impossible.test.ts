/** What is said of values that cannot be: where no way leads, ranges contradict themselves. */
import { expect, test } from "vitest";
import type { Inst, Value } from "../../compiler/ir/ir.ts";
import { full, impossible, type Range } from "../../compiler/passes/range.ts";
import { transfer } from "../../compiler/passes/range-transfer.ts";

const OPS = ["add", "sub", "mul", "udiv", "umod", "sdiv", "smod", "and", "or", "xor", "shl", "lshr", "ashr"] as const;
const NEVER: readonly Range[] = [
  { ...full(32), min: 1n, max: 0n },
  { ...full(32), min: 9n, max: 3n },
  { ...full(32), smin: 1n, smax: -1n },
];
const value = (id: number): Value => ({ id, type: "w32" });

test.each(OPS)("nothing follows from them: %s", (op) => {
  const span = { file: 0, start: 0, end: 0 };
  const inst: Inst = { kind: "binary", span, op, result: value(3), left: value(1), right: value(2) };
  for (const never of NEVER) {
    expect(impossible(never)).toBe(true);
    for (const [left, right] of [
      [never, full(32)],
      [full(32), never],
      [never, never],
    ] as const)
      expect(transfer(inst, ({ id }) => (id === 1 ? left : right), "ours")).toBeUndefined();
  }
});
