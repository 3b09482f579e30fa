/** Source files and places out of the lines that .BTF.ext tells: enough text to show, with the lines where they were. */
import type { SourceFile, Span } from "../span.ts";
import type { LineRecord } from "./btf-ext.ts";
import { stringAt } from "./bytes.ts";

/** What a hostile object may make us allocate: line breaks of sources that are not there. */
const MOST_LINES = 1_000_000;
/** And characters: many lines may share one long string. */
const MOST_CHARACTERS = 16_000_000;

export interface LineSources {
  readonly sources: readonly SourceFile[];
  readonly span: (record: LineRecord) => Span | undefined;
}

/** Builds the sources of all records at once; lines without a record are empty. */
export function lineSources(records: Iterable<LineRecord>, strings: Uint8Array): LineSources {
  const files = new Map<number, Map<number, number>>();
  for (const { file, line, text } of records) {
    const lines = files.get(file) ?? new Map<number, number>();
    files.set(file, lines);
    if (line > 0 && !lines.has(line)) lines.set(line, text);
  }
  let budget = MOST_LINES;
  let characters = MOST_CHARACTERS;
  const sources: SourceFile[] = [];
  const indices = new Map<number, number>();
  const starts: ReadonlyMap<number, { readonly start: number; readonly length: number }>[] = [];
  for (const [file, lines] of files) {
    const path = stringAt(strings, file);
    let last = 0;
    for (const line of lines.keys()) last = Math.max(last, line);
    if (path === undefined || last > budget) continue;
    budget -= last;
    const texts: string[] = new Array<string>(last).fill("");
    for (const [line, at] of lines) {
      const text = characters > 0 ? (stringAt(strings, at) ?? "").replaceAll("\n", " ") : "";
      characters -= text.length;
      texts[line - 1] = text;
    }
    const places = new Map<number, { readonly start: number; readonly length: number }>();
    let start = 0;
    texts.forEach((text, index) => {
      if (lines.has(index + 1)) places.set(index + 1, { start, length: text.length });
      start += text.length + 1;
    });
    indices.set(file, sources.length);
    sources.push({ path, text: texts.join("\n") });
    starts.push(places);
  }
  return {
    sources,
    span: ({ file, line, column }) => {
      const index = indices.get(file);
      const place = index === undefined ? undefined : starts[index]!.get(line);
      if (index === undefined || !place) return undefined;
      const inside = Math.min(Math.max(column - 1, 0), place.length);
      return { file: index, start: place.start + inside, end: place.start + place.length };
    },
  };
}
