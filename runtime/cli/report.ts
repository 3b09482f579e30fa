/** Errors of the runtime in the look of a diagnostic, and tables for people. */
import { TroubleError } from "../files/files.ts";
import { printable, printableJson } from "../../compiler/printable.ts";
import { exact } from "../kernel/format.ts";
import { RuntimeError } from "../kernel/errors.ts";
import { colour, err, out, say, troubleText } from "./output.ts";

/** Runs a command; a RuntimeError becomes one clear report and exit code 1 (2 when the command line is wrong). */
export async function guarded(asJson: boolean, run: () => Promise<number>): Promise<number> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof TroubleError && asJson) {
      line({ error: error.trouble });
      return 1;
    }
    if (!(error instanceof RuntimeError)) throw error;
    reportError(error, asJson);
    return error.key === "bad-argument" ? 2 : 1;
  }
}

export const errorJson = ({ key, message, help, errno, log }: RuntimeError): object => ({
  key,
  message,
  help,
  errno,
  log,
});
/** One error in the look of a diagnostic, or as one line of JSON. */
export function reportError(error: RuntimeError, asJson: boolean): void {
  if (asJson) return line({ error: errorJson(error) });
  const { key, message, help, log } = error;
  err(troubleText({ key, message, ...(help === undefined ? {} : { help }) }, colour(process.stderr)));
  if (log !== undefined && log.trim() !== "") err(`the kernel's log, whole:\n${log.trimEnd()}\n`);
}

const plain = (_key: string, value: unknown): unknown => (typeof value === "bigint" ? exact(value) : value);
/** One JSON document on one line, or over several with an indent. */
export const jsonText = (value: unknown, indent = 0): string => printableJson(JSON.stringify(value, plain, indent));
export const line = (value: unknown): void => void out(jsonText(value));
export const document = (value: unknown): void => void out(jsonText(value, 2));

type Saying = { readonly json?: boolean };
export const warn = (options: Saying, text: string): void =>
  options.json ? line({ warning: text }) : err(printable(`warning: ${text}`));
/** Something that the user should know, and that is as it should be. */
export const notice = (options: Saying, text: string): void => (options.json ? line({ notice: text }) : void say(text));

/** Columns as wide as their contents; nothing at all for no rows. */
export function table(headings: readonly string[], cells: readonly (readonly string[])[]): string {
  if (cells.length === 0) return "";
  // Names that others have chosen must not draw rows of their own.
  const rows = cells.map((row) => row.map(printable));
  const widths = headings.map((heading, column) =>
    rows.reduce((most, row) => Math.max(most, row[column]?.length ?? 0), heading.length),
  );
  const draw = (row: readonly string[]): string =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join("  ")
      .trimEnd();
  return [headings, ...rows].map(draw).join("\n");
}
