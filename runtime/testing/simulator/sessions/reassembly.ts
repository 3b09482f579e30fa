/** A session's stream at its receiver: put together from what the subflows bring. */
import type { Block } from "../segments.ts";

export interface Reassembly {
  /** Everything before this byte has arrived. */
  readonly next: number;
  /** Bytes that had arrived before, on another subflow or the same. */
  readonly duplicates: number;
  take(start: number, end: number): void;
}

export function createReassembly(): Reassembly {
  let next = 0;
  let duplicates = 0;
  /** What arrived beyond it, from low to high, apart from each other. */
  let ahead: Block[] = [];
  return {
    get next() {
      return next;
    },
    get duplicates() {
      return duplicates;
    },
    take(from, to) {
      const start = Math.max(from, next);
      duplicates += Math.min(start, to) - from;
      if (start >= to) return;
      let [low, high] = [start, to];
      const others: Block[] = [];
      for (const block of ahead) {
        if (block[1] < start || block[0] > to) {
          others.push(block);
          continue;
        }
        duplicates += Math.max(0, Math.min(block[1], to) - Math.max(block[0], start));
        low = Math.min(low, block[0]);
        high = Math.max(high, block[1]);
      }
      if (low <= next) {
        next = high;
        ahead = others;
      } else ahead = [...others, [low, high] as const].toSorted((a, b) => a[0] - b[0]);
    },
  };
}
