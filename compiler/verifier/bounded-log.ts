/** A log of any length in bounded memory: its beginning and its end are kept whole, since the end says what went wrong. */

/** Characters kept of each; a log up to this long has nothing left out. */
export const LOG_HALF = 8 * 1024 * 1024;

export interface BoundedLog {
  add(line: string): void;
  lines(): readonly string[];
}

/** `half`: characters kept of the beginning, and as many of the end. */
export function boundedLog(half = LOG_HALF): BoundedLog {
  const first: string[] = [];
  let room = half;
  let last: string[] = [];
  let from = 0;
  let kept = 0;
  let left = 0;
  return {
    add(line) {
      if (last.length === 0 && line.length <= room) {
        first.push(line);
        room -= line.length;
        return;
      }
      room = 0;
      last.push(line);
      kept += line.length;
      for (; kept > half && from < last.length - 1; from++, left++) {
        kept -= last[from]!.length;
        last[from] = "";
      }
      // What was given up leaves the array now and then, so that each line is moved a few times at most.
      if (from > 1024 && from > last.length / 2) {
        last = last.slice(from);
        from = 0;
      }
    },
    lines: () => [...first, ...(left > 0 ? [`… ${left} instructions are left out here …`] : []), ...last.slice(from)],
  };
}
