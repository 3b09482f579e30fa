import { describe, expect, test } from "vitest";
import { checkSeed } from "./check.ts";
import { fromList, fromSeed, shrink } from "./choices.ts";
import { compileText, generate } from "./compiled.ts";
import { evaluate, newWorld } from "./evaluate.ts";
import type { Expr, Program, Stmt } from "./ast.ts";
import { makeInputs } from "./inputs.ts";
import { generateProgram } from "./program.ts";
import { compareWithEvaluator, machineRunner } from "./run.ts";

describe("the generator", () => {
  test("makes the same program from the same choices", () => {
    const choices = fromSeed(7);
    generateProgram(choices);
    expect(generate(choices.taken).text).toBe(generate(choices.taken).text);
    expect(generate(choices.taken).text).not.toBe(generate(choices.taken.slice(0, 40)).text);
  });

  test("makes the simplest program when there are no choices left", () => {
    const { text } = generate([]);
    expect(text.split("\n").length).toBeLessThan(20);
    expect(typeof compileText(text)).toBe("object");
  });

  test("shrinks to the smallest list that still fails", () => {
    const fails = (list: readonly number[]): boolean => list.some((n) => n >= 10) && list.includes(3);
    expect(shrink([5, 40, 7, 3, 9, 22, 1, 1, 3], fails)).toContain(3);
    expect(shrink([5, 40, 7, 3, 9, 22, 1, 1, 3], fails)).toHaveLength(2);
  });
});

/** A program of one statement: `out.<field> = value`. */
function program(field: string, type: "u32" | "i32" | "u64" | "i64", value: Expr): Program {
  const base = generateProgram(fromList([]));
  const store: Stmt = {
    kind: "set",
    place: { root: "out", path: [{ kind: "field", name: field }], type },
    op: "",
    value,
  };
  return { ...base, body: [store] };
}
const int = (type: "u32" | "i32" | "u64" | "i64", value: bigint): Expr => ({ kind: "literal", type, value });

describe("the evaluator, against results worked out by hand from RFC 9669 and the language's rules", () => {
  const i32 = (op: "/" | "%" | "+" | "*", left: bigint, right: bigint): unknown => {
    const p = program("s", "i32", {
      kind: "arithmetic",
      type: "i32",
      op,
      left: int("i32", left),
      right: int("i32", right),
    });
    const world = newWorld(p);
    evaluate(p, world);
    return world.output["s"];
  };
  test("signed division goes toward zero, by zero gives zero, and the least integer stays itself", () => {
    expect(i32("/", -7n, 2n)).toBe(-3n);
    expect(i32("%", -7n, 2n)).toBe(-1n);
    expect(i32("/", 5n, 0n)).toBe(0n);
    expect(i32("%", 5n, 0n)).toBe(5n);
    expect(i32("/", -(2n ** 31n), -1n)).toBe(-(2n ** 31n));
    expect(i32("%", -(2n ** 31n), -1n)).toBe(0n);
    expect(i32("+", 2n ** 31n - 1n, 1n)).toBe(-(2n ** 31n));
    expect(i32("*", 65536n, 65536n)).toBe(0n);
  });

  test("shift counts are taken modulo the width, >> keeps the sign of signed operands only", () => {
    const shift = (type: "u32" | "i32", op: "<<" | ">>" | ">>>", left: bigint, count: bigint): unknown => {
      const as = op === ">>>" ? "u32" : type;
      const p = program(as === "u32" ? "r" : "s", as, {
        kind: "shift",
        type: as,
        op,
        left: int(type, left),
        count: int("u32", count),
      });
      const world = newWorld(p);
      evaluate(p, world);
      return world.output[as === "u32" ? "r" : "s"];
    };
    expect(shift("u32", "<<", 1n, 33n)).toBe(2n);
    expect(shift("i32", ">>", -8n, 1n)).toBe(-4n);
    expect(shift("i32", ">>>", -8n, 1n)).toBe(0x7ffffffcn);
    expect(shift("u32", ">>", 0xfffffff8n, 1n)).toBe(0x7ffffffcn);
  });

  test("casts widen by the sign of their source", () => {
    const p = program("t", "u64", { kind: "cast", type: "u64", value: int("i32", -1n) });
    const world = newWorld(p);
    evaluate(p, world);
    expect(world.output["t"]).toBe(2n ** 64n - 1n);
  });
});

describe("semantics: compiled code in the virtual machine does what the evaluator says", () => {
  test.each(Array.from({ length: 30 }, (_, i) => 1001 + i))("seed %i", (seed) => {
    expect(checkSeed(seed, { runs: 8, semantics: true, without: [] }, 100)).toBeUndefined();
  });

  test("a wrong result would be seen", () => {
    const choices = fromSeed(1004);
    generateProgram(choices);
    const { program: made, text } = generate(choices.taken);
    // One bit of difference is another program.
    const other = compileText(text.replace("  return 1;", "  out.r ^= 5;\n  return 1;"));
    if (typeof other === "string") throw new Error(other);
    const inputs = makeInputs(made, 1004, 4);
    expect(compareWithEvaluator(other, made, machineRunner(other, "program"), inputs)).toMatch(/^run 0: output/);
  });
});
