/** Numbers by chance that are the same again (mulberry32). */
export interface Dice {
  /** Below a bound. */
  below(bound: number): number;
  one<T>(of: readonly T[]): T;
  bytes(length: number): Uint8Array;
}

export function dice(seed: number): Dice {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
  const below = (bound: number): number => next() % bound;
  return {
    below,
    one: (of) => of[below(of.length)]!,
    bytes: (length) => Uint8Array.from({ length }, () => below(256)),
  };
}
