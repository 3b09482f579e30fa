/** The programs with one mistake each: what is wrong, on which line, and how the corrected program reads. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
export const mistakesFolder = join(here, "mistakes");
export const acceptedFolder = join(here, "accepted");
export const leftFolder = join(here, "left-to-compiler");

export interface Mistake {
  readonly file: string;
  readonly text: string;
  /** 1-based line of the error. */
  readonly line: number;
  /** Numbers that TypeScript releases give it. */
  readonly codes: readonly string[];
  readonly corrected: string;
}

const sources = (folder: string): string[] =>
  readdirSync(folder)
    .filter((file) => file.endsWith(".ts"))
    .sort();

/**
 * `code //~ TS2322 => corrected line` marks a mistake (`@+1` one line further down); `code //= corrected line` corrects another line.
 */
function mistake(file: string): Mistake {
  const text = readFileSync(join(mistakesFolder, file), "utf8");
  const lines = text.split("\n");
  const fixed = [...lines];
  let found: Pick<Mistake, "line" | "codes"> | undefined;
  lines.forEach((line, index) => {
    const mark = /^(\s*)(.*?)\s*\/\/~ ([TS\d|]+)(?:@([+-]\d+))?(?: => (.*))?$/.exec(line);
    if (mark) {
      if (found) throw new Error(`${file} has two marks`);
      found = { line: index + 1 + Number(mark[4] ?? 0), codes: mark[3]!.split("|") };
      if (mark[5] !== undefined) fixed[index] = mark[1]! + mark[5];
    }
    const other = /^(\s*).*\/\/= (.*)$/.exec(line);
    if (other) fixed[index] = other[1]! + other[2]!;
  });
  const corrected = fixed.join("\n");
  if (!found) throw new Error(`${file} has no mark`);
  if (corrected === text) throw new Error(`${file} has no correction`);
  return { file, text, corrected, ...found };
}

export const mistakes = (): Mistake[] => sources(mistakesFolder).map(mistake);

/** Programs without a mistake that use the whole language. */
export const accepted = (): { readonly file: string; readonly text: string }[] =>
  sources(acceptedFolder).map((file) => ({ file, text: readFileSync(join(acceptedFolder, file), "utf8") }));

export const leftToCompiler = (): { readonly file: string; readonly text: string }[] => sources(leftFolder).map((file) => ({ file, text: readFileSync(join(leftFolder, file), "utf8") }));
