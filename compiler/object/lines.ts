/** Where the characters of a source file lie: offsets to lines and columns, quickly for many offsets of one file. */
import type { SourceFile, Span } from "../span.ts";

export interface Place {
  readonly path: string;
  /** 1-based. */
  readonly line: number;
  /** 1-based, in UTF-16 code units. */
  readonly column: number;
  /** The line, without its line break. */
  readonly text: string;
}

/** A function that finds the place where a span starts; undefined when the span lies in no file. */
export function placeFinder(sources: readonly SourceFile[]): (span: Span) => Place | undefined {
  const starts = new Map<number, readonly number[]>();
  const startsOf = (file: number, text: string): readonly number[] => {
    const before = starts.get(file);
    if (before) return before;
    const found = [0];
    for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) found.push(at + 1);
    starts.set(file, found);
    return found;
  };
  return (span) => {
    const source = sources[span.file];
    if (!source) return undefined;
    const lines = startsOf(span.file, source.text);
    let low = 0;
    for (let high = lines.length; high - low > 1;) {
      const middle = (low + high) >> 1;
      if (lines[middle]! <= span.start) low = middle;
      else high = middle;
    }
    const start = lines[low]!;
    const text = source.text.slice(start, (lines[low + 1] ?? source.text.length + 1) - 1).replace(/\r$/, "");
    return { path: source.path, line: low + 1, column: span.start - start + 1, text };
  };
}

/**
 * Paths as they go into objects: never absolute, so that an object is the same wherever it was made.
 * Absolute paths lose the folder that all of them share.
 */
export function portablePaths(sources: readonly SourceFile[]): readonly string[] {
  const parts = sources.map((source) => source.path.replaceAll("\\", "/").split("/"));
  const absolute = parts.filter((each) => each[0] === "" || /^[A-Za-z]:$/.test(each[0]!));
  if (absolute.length === 0) return parts.map((each) => each.join("/"));
  let shared = Math.min(...absolute.map((each) => each.length - 1));
  const first = absolute[0]!;
  for (let index = 0; index < shared; index++)
    if (absolute.some((each) => each[index] !== first[index])) shared = index;
  return parts.map((each) => (absolute.includes(each) ? each.slice(Math.max(shared, 1)) : each).join("/"));
}
