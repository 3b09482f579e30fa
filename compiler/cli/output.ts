/** Standard output and error of the command: colours only for people, broken pipes are no error. */
import type { Trouble } from "./files.ts";

/** Colour on this stream? NO_COLOR and FORCE_COLOR as on no-color.org and in Node. */
export function colour(stream: NodeJS.WriteStream): boolean {
  if (process.env["NO_COLOR"]) return false;
  if (process.env["FORCE_COLOR"] && process.env["FORCE_COLOR"] !== "0") return true;
  return stream.isTTY === true && process.env["TERM"] !== "dumb";
}

export const out = (text: string): void => void process.stdout.write(text.endsWith("\n") ? text : `${text}\n`);
export const err = (text: string): void => void process.stderr.write(text.endsWith("\n") ? text : `${text}\n`);

/** JSON with 64-bit values as decimal strings (JSON has no integers beyond 2^53). */
export const json = (value: unknown): string =>
  JSON.stringify(value, (_key, v: unknown) => (typeof v === "bigint" ? v.toString() : v), 2);

/** A trouble in the look of a diagnostic. */
export function troubleText(problem: Trouble, inColour: boolean): string {
  const red = (text: string) => (inColour ? `\u001b[1;31m${text}\u001b[0m` : text);
  const help = problem.help === undefined ? "" : `\n  help: ${problem.help}`;
  return `${red(`error[${problem.key}]`)}: ${problem.message}${help}\n`;
}
