/** Who is told of everything that goes in and out while a command compiles: what it asked of the disk, wrote and printed. */
import type { Question } from "./disk.ts";

export interface Witness {
  /** What the file system was asked of a path, and its answer as JSON has it. */
  asked(question: Question, path: string, answer: unknown): void;
  /** A file that was written whole. */
  wrote(path: string, bytes: Uint8Array): void;
  /** A text, as it goes to standard output (1) or standard error (2). */
  printed(stream: 1 | 2, text: string): void;
}

let present: Witness | undefined;
export const witness = (): Witness | undefined => present;

/** Runs something, and tells the witness all of it. */
export function witnessed<T>(by: Witness, run: () => T): T {
  present = by;
  try {
    return run();
  } finally {
    present = undefined;
  }
}
