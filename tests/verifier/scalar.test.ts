/** The number domain against plain arithmetic: whatever concrete operands do, the abstract result holds it. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { binary, byteOrder, negate, signExtend, type Binary } from "../../compiler/verifier/alu.ts";
import { decided, refine } from "../../compiler/verifier/branch.ts";
import { ANYTHING, includes, known, settle, truncate, type Scalar } from "../../compiler/verifier/scalar.ts";
import { NEWEST_RULES, RELEASES, rulesOf } from "../../compiler/bpf/verifier-rules.ts";
import * as tnum from "../../compiler/verifier/tnum.ts";
import type { Condition } from "../../compiler/bpf/opcodes.ts";

const u64 = (x: bigint): bigint => BigInt.asUintN(64, x);
const edge = fc.constantFrom(
  0n,
  1n,
  0x7fn,
  0x80n,
  0xffffn,
  0x7fffffffn,
  0x80000000n,
  0xffffffffn,
  1n << 32n,
  (1n << 63n) - 1n,
  1n << 63n,
  tnum.U64,
);
const value = fc.oneof(edge, fc.bigInt({ min: 0n, max: tnum.U64 }), fc.bigInt({ min: 0n, max: 300n }));

/** A scalar that holds the value, with knowledge of several kinds. */
const around = (x: bigint): fc.Arbitrary<Scalar> =>
  fc.oneof(
    fc.constant(known(x)),
    fc.constant(ANYTHING),
    value.map((mask) => settle({ ...ANYTHING, bits: { value: x & ~mask & tnum.U64, mask } }, NEWEST_RULES)),
    fc.tuple(value, value).map(([below, above]) => {
      const umin = x > below ? x - below : 0n;
      const umax = x + above > tnum.U64 ? tnum.U64 : x + above;
      return settle({ ...ANYTHING, umin, umax }, NEWEST_RULES);
    }),
    fc.constant(x <= 0xffffn ? truncate(ANYTHING, 2, NEWEST_RULES) : ANYTHING),
  );
const pair = value.chain((x) => around(x).map((s) => ({ x, s })));

const CONCRETE: Record<Binary, (a: bigint, b: bigint, bits: number) => bigint> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  or: (a, b) => a | b,
  and: (a, b) => a & b,
  xor: (a, b) => a ^ b,
  lsh: (a, b, bits) => a << (b & BigInt(bits - 1)),
  rsh: (a, b, bits) => BigInt.asUintN(bits, a) >> (b & BigInt(bits - 1)),
  arsh: (a, b, bits) => BigInt.asIntN(bits, a) >> (b & BigInt(bits - 1)),
};

describe.each(RELEASES.map(rulesOf))("scalars as Linux $release follows them", (rules) => {
  test.each(Object.keys(CONCRETE) as Binary[])("%s holds every concrete result, in 64 and in 32 bits", (op) => {
    fc.assert(
      fc.property(pair, pair, fc.boolean(), (a, b, wide) => {
        const bits = wide ? 64 : 32;
        const result = BigInt.asUintN(bits, CONCRETE[op](a.x, b.x, bits));
        expect(includes(binary(op, a.s, b.s, wide, rules), result)).toBe(true);
      }),
      { numRuns: 200 },
    );
  });

  test("negation, sign extension and byte swaps hold every concrete result", () => {
    fc.assert(
      fc.property(pair, fc.constantFrom(8, 16, 32), ({ x, s }, bits) => {
        expect(includes(negate(s, true, rules), u64(-x))).toBe(true);
        expect(includes(signExtend(s, bits), u64(BigInt.asIntN(bits, x)))).toBe(true);
        const bytes = [0n, 8n, 16n, 24n].map((at) => (x >> at) & 0xffn);
        const swapped = bytes.reduce((sum, byte) => (sum << 8n) | byte, 0n);
        expect(includes(byteOrder(s, 32, true, rules), swapped)).toBe(true);
      }),
      { numRuns: 200 },
    );
  });

  const CONDITIONS: Record<Condition, (a: bigint, b: bigint, bits: number) => boolean> = {
    jeq: (a, b) => a === b,
    jne: (a, b) => a !== b,
    jset: (a, b) => (a & b) !== 0n,
    jgt: (a, b) => a > b,
    jge: (a, b) => a >= b,
    jlt: (a, b) => a < b,
    jle: (a, b) => a <= b,
    jsgt: (a, b, bits) => BigInt.asIntN(bits, a) > BigInt.asIntN(bits, b),
    jsge: (a, b, bits) => BigInt.asIntN(bits, a) >= BigInt.asIntN(bits, b),
    jslt: (a, b, bits) => BigInt.asIntN(bits, a) < BigInt.asIntN(bits, b),
    jsle: (a, b, bits) => BigInt.asIntN(bits, a) <= BigInt.asIntN(bits, b),
  };
  test.each(Object.keys(CONDITIONS) as Condition[])("after %s both operands still hold their values", (condition) => {
    fc.assert(
      fc.property(pair, pair, fc.boolean(), (a, b, wide) => {
        const bits = wide ? 64 : 32;
        const holds = CONDITIONS[condition](BigInt.asUintN(bits, a.x), BigInt.asUintN(bits, b.x), bits);
        const certain = decided(condition, a.s, b.s, wide, rules);
        if (certain !== undefined) {
          expect(certain).toBe(holds);
          return;
        }
        const [left, right] = refine(condition, holds, a.s, b.s, wide, rules);
        expect(includes(left, a.x)).toBe(true);
        expect(includes(right, b.x)).toBe(true);
      }),
      { numRuns: 200 },
    );
  });

  test("the next value above is one of the tnum's, and the least", () => {
    const small = fc.integer({ min: 0, max: 255 }).map(BigInt);
    fc.assert(
      fc.property(small, small, small, (bits, mask, z) => {
        const t = { value: bits & ~mask, mask };
        const members = Array.from({ length: 256 }, (_, n) => BigInt(n)).filter((n) => (n & ~mask) === t.value);
        const expected = members.find((n) => n > z) ?? members[members.length - 1]!;
        expect(tnum.nextAbove(t, z)).toBe(expected);
      }),
      { numRuns: 2000 },
    );
  });
});
