/** A log of any length in bounded memory. */
import { expect, test } from "vitest";
import { boundedLog, LOG_HALF } from "../../compiler/verifier/bounded-log.ts";

const total = (lines: readonly string[]): number => lines.reduce((sum, line) => sum + line.length, 0);

test("what fits is kept whole", () => {
  const log = boundedLog(100);
  const lines = Array.from({ length: 20 }, (_, index) => `${index}`.padStart(10, "."));
  for (const line of lines) log.add(line);
  expect(log.lines()).toEqual(lines);
});

test.each([1, 37, 4000])(
  "of lines of %i characters, beginning and end stay, and what is left out is counted",
  (width) => {
    const half = 20_000;
    const log = boundedLog(half);
    const count = 300_000;
    let peak = 0;
    for (let index = 0; index < count; index++) {
      log.add(String(index).padStart(width, "."));
      if (index % 50_000 === 0) peak = Math.max(peak, total(log.lines()));
    }
    const lines = log.lines();
    const note = lines.findIndex((line) => line.startsWith("…"));
    const left = Number(/^… (\d+) instructions are left out here …$/.exec(lines[note]!)?.[1]);
    const number = (line: string): number => Number(line.replaceAll(".", ""));
    // Nothing is lost in silence: what is before, what is after, and the count of the rest make up all.
    expect(lines.length - 1 + left).toBe(count);
    expect(lines.slice(0, note).map(number)).toEqual(Array.from({ length: note }, (_, index) => index));
    expect(lines.slice(note + 1).map(number)).toEqual(
      Array.from({ length: lines.length - note - 1 }, (_, index) => note + left + index),
    );
    expect(Math.max(peak, total(lines))).toBeLessThanOrEqual(2 * half + 4000 + 60);
  },
);

test("the verifier's log has a bound that a terminal and a file can take", () => {
  expect(LOG_HALF).toBeLessThanOrEqual(16 * 1024 * 1024);
});
