/** A small seeded generator (xorshift128+ on 32-bit halves would do as well; this is Mulberry32 by its published constants). */
export interface Random {
  /** 0 to n-1. */
  below(n: number): number;
  /** True with probability p. */
  chance(p: number): boolean;
  pick<T>(items: readonly T[]): T;
  u32(): number;
}

export function createRandom(seed: number): Random {
  let state = seed >>> 0;
  const u32 = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
  const below = (n: number): number => Math.floor((u32() / 2 ** 32) * n);
  return { u32, below, chance: (p) => u32() / 2 ** 32 < p, pick: (items) => items[below(items.length)]! };
}

const CORNERS = [
  0n,
  1n,
  2n,
  7n,
  0x7fn,
  0x80n,
  0xffn,
  0x7fffn,
  0x8000n,
  0xffffn,
  0x7fff_ffffn,
  0x8000_0000n,
  0xffff_ffffn,
  0x1_0000_0000n,
  0x7fff_ffff_ffff_ffffn,
  0x8000_0000_0000_0000n,
  0xffff_ffff_8000_0000n,
  0xffff_ffff_ffff_ffffn,
];

/** 64 bits: often a corner of some width, or near one. */
export function anyWord(random: Random): bigint {
  const plain = (BigInt(random.u32()) << 32n) | BigInt(random.u32());
  switch (random.below(4)) {
    case 0:
      return random.pick(CORNERS);
    case 1:
      return BigInt.asUintN(64, random.pick(CORNERS) + BigInt(random.below(5) - 2));
    case 2:
      return plain >> BigInt(random.below(64));
    default:
      return plain;
  }
}
export const anyImmediate = (random: Random): number => Number(BigInt.asIntN(32, anyWord(random)));
