/** What a load has made so far, so that a failure leaves nothing behind: descriptors, pins and directories. */
import { closeFd } from "./fd.ts";

export interface Undo {
  /** Remembers a descriptor and gives it back. */
  fd(fd: number): number;
  /** Remembers how something that was made (a pin, a directory) is taken away. */
  step(step: () => void): void;
  /** Forgets everything: the load has succeeded. Returns the descriptors, which now belong to the caller. */
  keep(): readonly number[];
  /** The steps go to another list, which may outlive this one; the descriptors are returned, as by keep. */
  handOver(to: Undo): readonly number[];
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
  const keep = (): readonly number[] => {
    const kept = fds;
    fds = [];
    steps = [];
    return kept;
  };
  return {
    fd(fd) {
      fds.push(fd);
      return fd;
    },
    step: (step) => void steps.push(step),
    keep,
    handOver(to) {
      for (const step of steps) to.step(step);
      return keep();
    },
    run() {
      for (const step of steps.toReversed()) quietly(step);
      for (const fd of fds.toReversed()) closeFd(fd);
      steps = [];
      fds = [];
    },
  };
}
