/** Where a generator's decisions come from. A list of numbers decides everything, so a failing program shrinks by shrinking the list. */
export interface Choices {
  /** 0 to n − 1. When the list is used up: 0, which every generator takes as "the simplest". */
  below(n: number): number;
  readonly taken: readonly number[];
}

export function fromList(list: readonly number[]): Choices {
  const taken: number[] = [];
  return {
    taken,
    below(n) {
      const choice = (list[taken.length] ?? 0) % n;
      taken.push(choice);
      return choice;
    },
  };
}

/** A 32-bit generator (Steele and Vigna's splitmix32 finalizer over a counter). The same seed gives the same numbers on every machine. */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return (z ^ (z >>> 15)) >>> 0;
  };
}

export function fromSeed(seed: number): Choices {
  const next = randomNumbers(seed);
  const taken: number[] = [];
  return {
    taken,
    below(n) {
      const choice = next() % n;
      taken.push(choice);
      return choice;
    },
  };
}

/**
 * A shorter or smaller list that still fails: drops runs of choices, then lowers single ones, until nothing helps or
 * `budget` attempts are spent.
 */
export function shrink(
  list: readonly number[],
  fails: (list: readonly number[]) => boolean,
  budget = 400,
): readonly number[] {
  let best = list;
  let left = budget;
  const attempt = (candidate: readonly number[]): boolean => {
    if (left <= 0) return false;
    left--;
    if (!fails(candidate)) return false;
    best = candidate;
    return true;
  };
  let improved = true;
  while (improved && left > 0) {
    improved = false;
    for (let size = Math.max(1, best.length >> 1); size >= 1; size >>= 1) {
      for (let at = 0; at < best.length && left > 0;) {
        if (attempt([...best.slice(0, at), ...best.slice(at + size)])) improved = true;
        else at += size;
      }
    }
    for (let at = 0; at < best.length && left > 0; at++) {
      const old = best[at]!;
      if (old === 0) continue;
      const lowered = (value: number): number[] => best.map((choice, i) => (i === at ? value : choice));
      if (attempt(lowered(0)) || (old > 2 && attempt(lowered(old >> 1)))) improved = true;
    }
  }
  return best;
}
