/** A piece of TypeScript source: half-open character range [start, end) in the file with that index. */
export interface Span {
  /** Index into the compilation's list of source files. */
  readonly file: number;
  /** Offset of the first character (UTF-16 code units). */
  readonly start: number;
  readonly end: number;
  /** The call or loop through which this code was expanded, innermost first; absent outside of expansions. */
  readonly via?: Expansion;
}

/** Where inlined or unrolled code came from. */
export interface Expansion {
  readonly kind: "call" | "loop";
  /** The call expression or the loop statement. */
  readonly at: Span;
  /** Name of the function called, or the number of the turn. */
  readonly what: string | number;
}

/** A file that took part in a compilation. */
export interface SourceFile {
  /** Path as the user named it or as it was found by import. */
  readonly path: string;
  readonly text: string;
}
/** An imported file that is there and is not read. */
export interface ImportRefused {
  /** Why, as the end of a sentence: "it is not TypeScript". */
  readonly refused: string;
  readonly help: string;
}
export type FoundImport = SourceFile | ImportRefused | undefined;

/** 1-based line and column (in UTF-16 code units) of an offset in a text. */
export function lineAndColumn(text: string, offset: number): { line: number; column: number } {
  const before = text.slice(0, offset);
  const line = before.split("\n").length;
  return { line, column: offset - (before.lastIndexOf("\n") + 1) + 1 };
}

/** The text of a 1-based line, without its line break. */
export function lineText(text: string, line: number): string {
  return (text.split("\n")[line - 1] ?? "").replace(/\r$/, "");
}
