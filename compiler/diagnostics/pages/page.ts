/** What `tsbpf explain` says of one key, beside the row of the catalogue. */
export interface Page {
  /** What is wrong, in a line of the list. */
  readonly summary: string;
  /** What it means and why the compiler asks for it; paragraphs are separated by blank lines. */
  readonly why: string;
  /**
   * How the wrong example (tests/errors/cases/KEY.ts) becomes right: texts put in the place of others, everywhere, or the whole program.
   * Absent where no text of a user's leads here, which `why` says.
   */
  readonly right?: readonly (readonly [from: string, to: string])[] | string;
}

/** A wrong example without the marks of its mistakes, changed as its page says; throws where there is nothing to change. */
export function rightOf(wrong: string, right: NonNullable<Page["right"]>): string {
  if (typeof right === "string") return right;
  return right.reduce(
    (text, [from, to]) => {
      if (!text.includes(from)) throw new Error(`the wrong example has no ${JSON.stringify(from)}`);
      return text.replaceAll(from, to);
    },
    wrong.replace(MARKS, ""),
  );
}

/** `//~ key` at the end of a line on which the key is reported. */
const MARKS = /[ \t]*\/\/~ ([\w-]+)$/gm;

/** An example as people read it: what its lines ask of the tests, and their marks, as comments. */
export const shown = (text: string): string =>
  text
    .replace(MARKS, " // <- $1")
    .replace(/^\/\/! repeat (\d+) (.*)$/gm, "// $1 times: $2")
    .replace(/^\/\/! file (\S+) (.*)$/gm, "// $1: $2");
