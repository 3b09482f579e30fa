/** Which of the known names a wrong one was probably meant to be. */

/** Edits between two names: a letter left out, put in or replaced, or two neighbours swapped. Case counts half. */
function distance(a: string, b: string): number {
  let above: number[] | undefined;
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : a[i - 1]!.toLowerCase() === b[j - 1]!.toLowerCase() ? 0.5 : 1;
      let best = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + same);
      if (above && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) best = Math.min(best, above[j - 2]! + 1);
      next.push(best);
    }
    above = row;
    row = next;
  }
  return row[b.length]!;
}

/** The nearest of the known names as a list, with … for those that are too far to be meant. */
export function nearestFew(name: string, known: readonly string[]): string {
  const all = nearestFirst(name, known);
  return all.length > MOST ? `${all.slice(0, MOST - 2).join(", ")}, …` : all.join(", ");
}
const MOST = 12;

/** The known names, the nearest first; parentheses after a name do not count. */
export function nearestFirst(name: string, known: readonly string[]): string[] {
  const plain = (one: string): string => one.replace(/\(\)$/, "");
  // A name that goes on where the wrong one ends is nearer than its length says.
  const far = (one: string): number =>
    distance(name, plain(one)) - (plain(one).toLowerCase().startsWith(name.toLowerCase()) ? name.length : 0);
  return known
    .map((one) => ({ one, far: far(one) }))
    .sort((a, b) => a.far - b.far)
    .map(({ one }) => one);
}
