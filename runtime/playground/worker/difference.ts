/** Two texts line by line: what was removed and what was added (Myers, "An O(ND) Difference Algorithm", 1986). */

export interface Change<T> {
  readonly kind: "same" | "added" | "removed";
  readonly item: T;
}

/** So many edits are looked for; texts that differ in more are shown one after the other. */
const MOST_EDITS = 500;

/** The shortest list of changes from one list to another, as far as `same` tells items apart. */
export function difference<T>(before: readonly T[], after: readonly T[], same: (a: T, b: T) => boolean): Change<T>[] {
  let start = 0;
  while (start < before.length && start < after.length && same(before[start]!, after[start]!)) start++;
  let end = 0;
  while (
    end < before.length - start &&
    end < after.length - start &&
    same(before[before.length - 1 - end]!, after[after.length - 1 - end]!)
  )
    end++;
  const kept = (items: readonly T[]): Change<T>[] => items.map((item) => ({ kind: "same", item }));
  return [
    ...kept(after.slice(0, start)),
    ...middle(before.slice(start, before.length - end), after.slice(start, after.length - end), same),
    ...kept(end === 0 ? [] : after.slice(-end)),
  ];
}

function middle<T>(before: readonly T[], after: readonly T[], same: (a: T, b: T) => boolean): Change<T>[] {
  const trace = furthest(before, after, same);
  if (!trace)
    return [
      ...before.map((item): Change<T> => ({ kind: "removed", item })),
      ...after.map((item): Change<T> => ({ kind: "added", item })),
    ];
  // Back from the end, along the way that was found.
  const changes: Change<T>[] = [];
  let x = before.length;
  let y = after.length;
  for (let edits = trace.length - 1; edits >= 0; edits--) {
    const reached = trace[edits]!;
    const diagonal = x - y;
    const down = diagonal === -edits || (diagonal !== edits && at(reached, diagonal - 1) < at(reached, diagonal + 1));
    const from = edits === 0 ? 0 : at(reached, down ? diagonal + 1 : diagonal - 1);
    const fromY = edits === 0 ? 0 : from - (down ? diagonal + 1 : diagonal - 1);
    while (x > from && y > fromY) {
      changes.push({ kind: "same", item: after[--y]! });
      x--;
    }
    if (edits === 0) break;
    if (down) changes.push({ kind: "added", item: after[--y]! });
    else changes.push({ kind: "removed", item: before[--x]! });
  }
  return changes.reverse();
}

type Reached = ReadonlyMap<number, number>;
const at = (reached: Reached, diagonal: number): number => reached.get(diagonal) ?? -1;

/** For each number of edits, how far each diagonal was reached before them; undefined: there are too many. */
function furthest<T>(
  before: readonly T[],
  after: readonly T[],
  same: (a: T, b: T) => boolean,
): readonly Reached[] | undefined {
  const trace: Reached[] = [];
  let reached = new Map<number, number>([[1, 0]]);
  for (let edits = 0; edits <= MOST_EDITS; edits++) {
    trace.push(new Map(reached));
    const next = new Map(reached);
    for (let diagonal = -edits; diagonal <= edits; diagonal += 2) {
      const down = diagonal === -edits || (diagonal !== edits && at(reached, diagonal - 1) < at(reached, diagonal + 1));
      let x = down ? at(reached, diagonal + 1) : at(reached, diagonal - 1) + 1;
      while (x < before.length && x - diagonal < after.length && same(before[x]!, after[x - diagonal]!)) x++;
      next.set(diagonal, x);
      if (x >= before.length && x - diagonal >= after.length) return trace;
    }
    reached = next;
  }
  return undefined;
}

/** Long stretches without a change become one item. */
export function folded<T>(changes: readonly Change<T>[], around: number, skipped: (count: number) => T) {
  const near = new Uint8Array(changes.length);
  changes.forEach(({ kind }, index) => {
    if (kind !== "same") near.fill(1, Math.max(0, index - around), index + around + 1);
  });
  const out: { readonly kind: Change<T>["kind"] | "skipped"; readonly item: T }[] = [];
  for (let index = 0; index < changes.length;) {
    if (near[index]) {
      out.push(changes[index++]!);
      continue;
    }
    let end = index;
    while (end < changes.length && !near[end]) end++;
    if (end - index > 1) out.push({ kind: "skipped", item: skipped(end - index) });
    else out.push(changes[index]!);
    index = end;
  }
  return out;
}
