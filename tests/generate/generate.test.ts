import { describe, expect, test } from "vitest";
import { checkSeed } from "./check.ts";
import { fromList, fromSeed, shrink } from "./choices.ts";
import { compileText, generate } from "./compiled.ts";
import { evaluate, newWorld } from "./evaluate.ts";
import type { Expr, Place, Program, Stmt } from "./ast.ts";
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

describe("what the generator makes", () => {
  // Each of these once had faults in the compiler that no program of the generator showed.
  test.each([
    ["a second name for a part of a struct", /const p\d+ = [\w.]+\.\w+;/],
    ["a second name for an element", /const p\d+ = [\w.]+\[\w+\];/],
    ["a name for one of two", /const p\d+ = .* \? .* : /],
    ["an element with a null check", /const e\d+ = .*\];/],
    ["a part of a map's value", /const p\d+ = entry\d+/],
    ["structs of a list in turn", /for \(const i\d+ of [\w.]*parts\)/],
    ["a copy that is said", /const c\d+: (\w+) = new \1\(\w/],
    ["a case that changes something", /case \(.*(\+\+|--| = )/],
    ["branches that do the same with other values", /out.*x\d+ [-+*^] \d+n?\)?\);?\n[^]*else \{[^]*x\d+ [-+*^] /],
    ["a case that calls", /case func\d/],
    ["a default before a case", /default: \{[^}]*\}\n *case/],
    ["a constant of a declared type", /const K\d: u8 = /],
    ["a constant of constants", /const K\d: \w+ = .*\bK\d/],
    ["a size in a constant", /const K\d: \w+ = .*sizeOf/],
    ["a constant in an index", /\[[^\]]*\bK\d/],
    ["a helper that takes a struct", /function func\d\(.*\w+: (Part|S\d)/],
    ["a helper that gives back a struct", /function func\d\(.*\): (Part|S\d) \{/],
    ["a name for what a helper gives back", /const p\d+ = func\d\(/],
    ["a new struct in a new struct", /new \w+\(\{.*: new /],
    ["a part of a struct in a new struct", /new \w+\(\{[^(]*: [\w.]+\.(part|more|f\d)[,)} ]/],
    ["a helper called several times in a row", /(func\d)\(.*;\n.*\1\(/],
    ["a case that assigns", /case \(\([^)]* = /],
  ])("%s", (_what, form) => {
    const made = (seed: number): string => {
      const choices = fromSeed(seed);
      generateProgram(choices);
      return generate(choices.taken).text;
    };
    expect(Array.from({ length: 600 }, (_, i) => 1 + i).some((seed) => form.test(made(seed)))).toBe(true);
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

describe("the evaluator, where JavaScript says what a name stands for and when a case is evaluated", () => {
  const base = generateProgram(fromList([]));
  const at = (root: string, ...path: (string | number)[]): Place => ({
    root,
    path: path.map((step) => (typeof step === "number" ? { kind: "at", index: step } : { kind: "field", name: step })),
    type: "u32",
  });
  const set = (place: Place, value: Expr): Stmt => ({ kind: "set", place, op: "", value });
  const read = (place: Place): Expr => ({ kind: "read", type: "u32", place });
  const result = (body: readonly Stmt[], constants: Program["constants"] = []): unknown => {
    const made = { ...base, constants, body };
    const world = newWorld(made);
    evaluate(made, world);
    return world.output["r"];
  };

  test("a name for a field is the field, a copy is none", () => {
    const field = at("out", "part");
    const store = (root: string): Stmt[] => [
      set(at(root, "n"), int("u32", 7n)),
      set(at("out", "r"), read(at("out", "part", "n"))),
    ];
    expect(result([{ kind: "refer", name: "p", from: field }, ...store("p")])).toBe(7n);
    const part = base.structs[0]!;
    expect(result([{ kind: "let-copy", name: "c", struct: part, from: field }, ...store("c")])).toBe(0n);
  });

  test("a name keeps the struct that was there when another is put into its place", () => {
    expect(
      result([
        { kind: "refer", name: "p", from: at("out", "parts", 1) },
        set(at("p", "n"), int("u32", 7n)),
        { kind: "copy-struct", to: at("out", "parts", 1), from: at("out", "part") },
        set(at("out", "r"), read(at("p", "n"))),
      ]),
    ).toBe(7n);
  });

  test("cases are evaluated until one is equal", () => {
    const step: Expr = { kind: "step", type: "u32", place: at("out", "r"), op: "++", prefix: true };
    const never = { labels: [step, int("u32", 9n), step, step], body: [] };
    expect(result([{ kind: "switch", value: int("u32", 2n), cases: [never] }])).toBe(2n);
  });

  test("constants wrap in their type, sizes are C's", () => {
    const size: Expr = { kind: "size", type: "u32", struct: base.structs[0]! };
    const value: Expr = { kind: "arithmetic", type: "u32", op: "-", left: size, right: int("u32", 9n) };
    const constants = [{ name: "K0", type: "u32", value } as const];
    expect(result([set(at("out", "r"), read(at("K0")))], constants)).toBe(2n ** 32n - 1n);
  });
});

describe("semantics: compiled code in the virtual machine does what the evaluator says", () => {
  test.each(Array.from({ length: 30 }, (_, i) => 1001 + i))("seed %i", (seed) => {
    expect(checkSeed(seed, { runs: 8, semantics: true, without: [], refused }, 100)).toBeUndefined();
  });
  const refused = new Map<string, number>();
  // What the compiler refuses checks nothing.
  test("few are refused", () => {
    expect([...refused.values()].reduce((sum, count) => sum + count, 0)).toBeLessThanOrEqual(3);
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
