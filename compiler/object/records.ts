/** Records of .BTF.ext by place: sorted, at most one for each offset, and those that lie in one function. */
import { SLOT_BYTES } from "../bpf/raw.ts";
import type { CodePart } from "./link.ts";

interface Placed {
  /** In bytes from the start of the section. */
  readonly offset: number;
}

/**
 * In the order of their offsets, without those that lie between instructions; of several with one offset the first stays,
 * as one instruction has one line.
 */
export function inOrder<T extends Placed>(records: readonly T[]): readonly T[] {
  const sorted = records
    .filter(({ offset }) => offset % SLOT_BYTES === 0)
    .sort((left, right) => left.offset - right.offset);
  return sorted.filter((record, index) => index === 0 || record.offset !== sorted[index - 1]!.offset);
}

/** Those of a function; `records` must be in order. */
export function recordsOf<T extends Placed>(records: readonly T[], part: CodePart): readonly T[] {
  const first = (offset: number): number => {
    let low = 0;
    for (let high = records.length; low < high;) {
      const middle = (low + high) >> 1;
      if (records[middle]!.offset < offset) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  return records.slice(first(part.start * SLOT_BYTES), first(part.end * SLOT_BYTES));
}
