/**
 * Standard output and error of the command: all of it passes here. No control character gets out but our own colours,
 * and only on standard error. A stream that cannot be written to any more ends the command in order: see `lastWords`.
 */
import { closeSync, fstatSync, openSync, writeSync } from "node:fs";
import { isatty } from "node:tty";
import { printable, printableJson, printableLines } from "../../compiler/printable.ts";
import { reason, type Trouble } from "../files/files.ts";
import { witness } from "../files/witness.ts";

/** Colour on this stream? NO_COLOR and FORCE_COLOR as on no-color.org and in Node. */
export function colour(stream: NodeJS.WriteStream): boolean {
  if (process.env["NO_COLOR"]) return false;
  if (process.env["FORCE_COLOR"] && process.env["FORCE_COLOR"] !== "0") return true;
  return stream.isTTY && process.env["TERM"] !== "dumb";
}

/** The colours that we set (diagnostics/render.ts, troubleText); nobody else's sequence passes. */
const OURS = /(\u001b\[(?:0|1|31|32|33|34|1;31)m)/;
const NONE = /(?!)/;
const ended = (text: string): string => (text.endsWith("\n") ? text : `${text}\n`);
/** A text as it is to be: all of a command that compiles, and of its record, goes out here. */
export function print(stream: 1 | 2, text: string): boolean {
  witness()?.printed(stream, text);
  if (isLog && intoFile(stream, text)) return true;
  return (stream === 1 ? process.stdout : process.stderr).write(text);
}
let isLog = false;
/**
 * From now on what is printed is a log, of one who has more to do than to keep it: lines that find no room on a disk are lost,
 * and end nothing.
 */
export const keepLog = (): void => void (isLog = true);
let lost = 0;
let isCut = false;
/** Lines that were lost since the last time that somebody said so. */
export const lostLines = (): number => lost;
export const forgetLostLines = (): void => void (lost = 0);
const FULL: ReadonlySet<string | undefined> = new Set(["ENOSPC", "EDQUOT"]);
/** Writes to a regular file, or loses the text where there is no room. False for what else a stream is, and what else goes wrong. */
function intoFile(fd: 1 | 2, text: string): boolean {
  try {
    if (!fstatSync(fd).isFile()) return false;
    const bytes = Buffer.from(isCut ? `\n${text}` : text);
    for (let at = 0; at < bytes.length; isCut = true) at += writeSync(fd, bytes, at);
    isCut = false;
    return true;
  } catch (error) {
    if (!FULL.has((error as NodeJS.ErrnoException).code)) return false;
    lost++;
    return true;
  }
}

/** Whether there is room for more at once; a long output waits for `drained` otherwise. */
export const out = (text: string): boolean => print(1, printableLines(ended(text)));
/** An empty screen to write on, where people look at one; elsewhere what was written stays. */
export const clearScreen = (): void => {
  if (process.stdout.isTTY && process.env["TERM"] !== "dumb") process.stdout.write("\u001b[2J\u001b[3J\u001b[H");
};
/** One line, whatever names are in it. */
export const say = (text: string): boolean => out(printable(text));
export const err = (text: string): void =>
  void print(
    2,
    ended(text)
      .split(colour(process.stderr) ? OURS : NONE)
      .map((part, index) => (index % 2 === 1 ? part : printableLines(part)))
      .join(""),
  );

/** JSON with 64-bit values as decimal strings (JSON has no integers beyond 2^53). */
export const json = (value: unknown, indent = 2): string =>
  printableJson(JSON.stringify(value, (_key, v: unknown) => (typeof v === "bigint" ? v.toString() : v), indent));

/** A trouble in the look of a diagnostic. Further lines of a message are indented, so that none looks like ours. */
export function troubleText(problem: Trouble, inColour: boolean): string {
  const red = (text: string) => (inColour ? `\u001b[1;31m${text}\u001b[0m` : text);
  const lines = (text: string) => text.split("\n").map(printable).join("\n  ");
  const help = problem.help === undefined ? "" : `\n  help: ${lines(problem.help)}`;
  return `${red(`error[${problem.key}]`)}: ${lines(problem.message)}${help}\n`;
}

interface Failure {
  readonly stream: "standard output" | "standard error";
  readonly error: NodeJS.ErrnoException;
}
let failure: Failure | undefined;
const waiting = new Set<() => void>();

/** Whether output is lost already: nobody needs the rest. */
export const outputFailed = (): boolean => failure !== undefined;

/**
 * Ends at once where all is written: Node would take its memory down piece by piece first. What is still on its way, or has failed, is
 * waited for in the ordinary way.
 */
export function leave(): void {
  if (process.stdout.writableLength === 0 && process.stderr.writableLength === 0 && !outputFailed()) process.exit();
}

/** Calls back, once, as soon as output fails. Returns what forgets it. */
export function onOutputFailure(call: () => void): () => void {
  if (failure) call();
  else waiting.add(call);
  return () => void waiting.delete(call);
}

/** Resolves when standard output takes more, or never will. */
export function drained(): Promise<void> {
  if (failure || !process.stdout.writableNeedDrain) return Promise.resolve();
  return new Promise((resolve) => {
    const go = (): void => {
      forget();
      process.stdout.off("drain", go);
      resolve();
    };
    const forget = onOutputFailure(go);
    process.stdout.once("drain", go);
  });
}

/** Writes a text, and resolves to what kept it from getting out: undefined when nothing did. */
export const written = (text: string): Promise<NodeJS.ErrnoException | undefined> =>
  new Promise((resolve) => {
    process.stdout.write(printableLines(ended(text)), (error) => resolve(error ?? undefined));
  });

let stands = "";
/** What is to be said, beside the loss, when output is lost: what the command has done stays done. One sentence. */
export const whenLost = (text: string): void => void (stands = text);

let told = false;
/** Says at once that standard output is lost, and what stands. Resolves to whether that got out. */
export function tellLoss(error: NodeJS.ErrnoException): Promise<boolean> {
  told = true;
  return new Promise((resolve) => {
    process.stderr.write(printableLines(lossText("standard output", error)), (second) => resolve(!second));
  });
}

function lossText(stream: Failure["stream"], error: NodeJS.ErrnoException): string {
  const why = LOSSES[error.code ?? ""] ?? reason(error);
  return troubleText({ key: "output-lost", message: `${stream}: ${why}${stands === "" ? "" : `; ${stands}`}` }, false);
}

/** Looks after both streams, once per process: the first failure is kept, and those who wait for it are told. */
export function watchOutput(): void {
  for (const [name, stream] of [
    ["standard output", process.stdout],
    ["standard error", process.stderr],
  ] as const) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (failure) return;
      failure = { stream: name, error };
      for (const call of [...waiting]) call();
      waiting.clear();
    });
  }
  const terminals = [0, 1, 2].filter((fd) => isatty(fd));
  process.on("exit", () => lastWords(terminals));
}

const LOSSES: Readonly<Record<string, string>> = {
  EPIPE: "the reader has gone",
  EIO: "the terminal is closed",
};

/** At the very end: one line about lost output, and an exit code that says so. */
function lastWords(terminals: readonly number[]): void {
  if (failure) {
    process.exitCode = Number(process.exitCode ?? 0) || 1;
    const { stream, error } = failure;
    if (stream === "standard output" && !told) err(lossText(stream, error));
  }
  // Node sets terminals back at its end, and aborts where one has been closed under it: /dev/null takes its number, which
  // native modules may still flush.
  for (const fd of terminals) {
    if (isatty(fd)) continue;
    closeSync(fd);
    openSync("/dev/null", "r+");
  }
}
