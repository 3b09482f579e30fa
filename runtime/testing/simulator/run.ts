/** What runs of the simulator have in common: paths, samples, and what is put back when a run is over. */
import { createDice } from "../dice.ts";
import type { BottleneckPlan } from "./bottleneck.ts";
import { BEGIN, type Clock } from "./clock.ts";
import type { Timing } from "./options.ts";
import { createPath, type Path } from "./path.ts";

export interface Ends {
  /** What is done when the run is over, however it ends. */
  readonly atEnd: (step: () => void) => void;
  readonly seed: number;
}
/** Runs `run`, and afterwards what it gave to `atEnd`, the last first. */
export function ending<R>(seed: number, run: (ends: Ends) => R): R {
  const steps: (() => void)[] = [];
  try {
    return run({ atEnd: (step) => void steps.push(step), seed });
  } finally {
    for (const step of steps.toReversed()) step();
  }
}

export const samplesOf = ({ duration, every }: Timing): number => Math.ceil(duration / every) + 1;
/** Lets time pass, and calls `sample` at each time. The end is sampled as well where it is no multiple: the figures are of the whole run. */
export function pass(clock: Clock, timing: Timing, sample: (at: number, seconds: number) => void): void {
  for (let at = 0; at < samplesOf(timing); at++) {
    const moment = Math.min(at * timing.every, timing.duration);
    clock.runUntil(BEGIN + moment);
    sample(at, moment / 1e9);
  }
}

/** What was noted of a path, an element for each sample. */
export interface PathRecord {
  readonly rate: number;
  readonly queue: Float64Array;
  /** Bytes that the bottleneck has sent. */
  readonly carried: Float64Array;
  readonly dropped: Float64Array;
}
export interface WatchedPath {
  readonly path: Path;
  readonly record: PathRecord;
  sample(at: number): void;
}
export function watchedPath(clock: Clock, plan: BottleneckPlan, seed: number, samples: number): WatchedPath {
  const path = createPath(clock, {
    ...plan.facts,
    dice: createDice(seed),
    pass: (flow, segment) => plan.pass(flow, segment, clock.now - BEGIN),
  });
  const record: PathRecord = {
    rate: plan.facts.rate,
    queue: new Float64Array(samples),
    carried: new Float64Array(samples),
    dropped: new Float64Array(samples),
  };
  return {
    path,
    record,
    sample(at) {
      record.queue[at] = path.waiting;
      record.carried[at] = path.carried;
      record.dropped[at] = path.dropped;
    },
  };
}
