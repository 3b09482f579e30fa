/** Offsets of a text as the protocol's positions, and back: lines from 0, characters in UTF-16 code units. */
import type { Position, Range } from "vscode-languageserver";
import type { Span } from "../../compiler/span.ts";

export interface TextLines {
  readonly text: string;
  /** Offset of the first character of each line. */
  readonly starts: readonly number[];
}

export function textLines(text: string): TextLines {
  const starts = [0];
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) starts.push(at + 1);
  return { text, starts };
}

/** 0-based line of an offset; offsets behind the end lie in the last line. */
export function lineOf({ starts }: TextLines, offset: number): number {
  let low = 0;
  for (let high = starts.length; high - low > 1;) {
    const middle = (low + high) >> 1;
    if (starts[middle]! <= offset) low = middle;
    else high = middle;
  }
  return low;
}

export function positionAt(lines: TextLines, offset: number): Position {
  const at = Math.min(offset, lines.text.length);
  const line = lineOf(lines, at);
  return { line, character: at - lines.starts[line]! };
}

export const rangeOf = (lines: TextLines, span: Pick<Span, "start" | "end">): Range => ({
  start: positionAt(lines, span.start),
  end: positionAt(lines, Math.max(span.start, span.end)),
});

export const offsetAt = ({ starts, text }: TextLines, { line, character }: Position): number =>
  Math.min((starts[line] ?? text.length) + character, text.length);

/**
 * A span of one text in a later one, which begins and ends with the same characters but for what was edited. Undefined for a span
 * that the edit touches.
 */
export function moved(span: Span, before: string, after: string): Span | undefined {
  if (before === after) return span;
  const most = Math.min(before.length, after.length);
  let head = 0;
  while (head < most && before[head] === after[head]) head++;
  let tail = 0;
  while (tail < most - head && before[before.length - 1 - tail] === after[after.length - 1 - tail]) tail++;
  if (span.end <= head) return span;
  const by = after.length - before.length;
  return span.start >= before.length - tail ? { ...span, start: span.start + by, end: span.end + by } : undefined;
}
