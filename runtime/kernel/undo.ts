/** What a load has made so far, so that a failure leaves nothing behind: descriptors, pins and directories. */
import { existsSync, mkdirSync, rmdirSync, unlinkSync } from "node:fs";
import { dirname } from "node:path";
import { closeFd } from "./fd.ts";
import { systemError } from "./places.ts";

export interface Undo {
  /** Remembers a descriptor and gives it back. */
  fd(fd: number): number;
  /** Remembers a file that was made (a pin). */
  file(path: string): void;
  directory(path: string): void;
  /** Forgets everything: the load has succeeded. Returns the descriptors, which now belong to the caller. */
  keep(): readonly number[];
  /** Undoes everything, newest first. */
  run(): void;
}

export function undoList(): Undo {
  let fds: number[] = [];
  let steps: (() => void)[] = [];
  const quietly = (step: () => void): void => {
    try {
      step();
    } catch {
      // What is gone already needs no undoing.
    }
  };
  return {
    fd(fd) {
      fds.push(fd);
      return fd;
    },
    file: (path) => void steps.push(() => unlinkSync(path)),
    directory: (path) => void steps.push(() => rmdirSync(path)),
    keep() {
      const kept = fds;
      fds = [];
      steps = [];
      return kept;
    },
    run() {
      for (const step of steps.toReversed()) quietly(step);
      for (const fd of fds.toReversed()) closeFd(fd);
      steps = [];
      fds = [];
    },
  };
}

/** Makes a directory and those above it, remembering each one made. */
export function makeDirectory(path: string, undo: Undo): void {
  if (existsSync(path)) return;
  makeDirectory(dirname(path), undo);
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return;
    throw systemError(error, `making ${path}`);
  }
  undo.directory(path);
}
