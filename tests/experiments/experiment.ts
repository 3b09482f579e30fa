/** What an experiment is: a row of `EXPERIMENTS` (table.ts). Only data crosses between measuring and showing. */
import type { Lab } from "../runtime/lab.ts";

export interface Options {
  /** A run of minutes that shows that everything works; its figures say little. */
  readonly quick: boolean;
  readonly seed: number;
  /** Repetitions of each variant and seconds of each measurement, in the place of the experiment's own. */
  readonly runs?: number | undefined;
  readonly seconds?: number | undefined;
}

/** On this machine's kernel, or on the patched one in QEMU. */
export type Place = "here" | "guest";

/** One measurement: a variant, for the n-th time. */
export interface Step {
  readonly variant: string;
  readonly repetition: number;
  /** How long it will take, about. */
  readonly seconds: number;
  /** Where this one is taken, if not where its experiment says. */
  readonly where?: Place | undefined;
}
export interface Measured {
  readonly metrics: Readonly<Record<string, number>>;
  /** What a measurement has many of: round-trip times, or the times of single connections. */
  readonly series?: Readonly<Record<string, readonly number[]>>;
}
/** One line of a file of samples. */
export interface Sample extends Measured {
  readonly experiment: string;
  readonly variant: string;
  readonly repetition: number;
  readonly seed: number;
  readonly quick: boolean;
  /** When, in UTC. */
  readonly at: string;
  readonly environment: Environment;
}
export interface Environment {
  readonly kernel: string;
  readonly cpu: string;
  readonly cpus: number;
  readonly versions: Readonly<Record<string, string>>;
}

/** What is made for the time of an experiment: namespaces, servers, programs. The lab takes it down. */
export interface Rig {
  measure(step: Step): Measured | Promise<Measured>;
}

/** A figure of the paper's, as a reader sees it, and where it stands there. */
export interface PaperFigure {
  readonly what: string;
  readonly value: string;
  readonly place: string;
}

/** Values with their intervals, one line for each row; rows of the same name share it. */
export interface Intervals {
  readonly kind: "intervals";
  readonly title: string;
  readonly x: string;
  readonly rows: readonly {
    readonly name: string;
    readonly series: string;
    readonly value: number;
    readonly low?: number;
    readonly high?: number;
  }[];
  /** Where nothing changes, as a line. */
  readonly neutral?: number;
  readonly logarithmic?: boolean;
}
export interface Lines {
  readonly kind: "lines";
  readonly title: string;
  readonly x: string;
  readonly y: string;
  readonly points: readonly { readonly series: string; readonly x: number; readonly y: number }[];
  readonly logarithmic?: boolean;
  /** Distributions are steps. */
  readonly steps?: boolean;
}
export type Figure = Intervals | Lines;

/** A line of the table below a figure; the paper's value for the same `what` stands beside it. */
export interface Row {
  readonly what: string;
  readonly ours: string;
}
export interface Verdict {
  /** Undefined where the samples cannot tell: too few, or of a machine that was too busy. */
  readonly reproduced: boolean | undefined;
  /** The sentence after "Reproduced:", "Differs:" or "Cannot tell:". */
  readonly because: string;
}

export interface Experiment {
  readonly name: string;
  readonly title: string;
  /** How it is measured, and what that leaves out. */
  readonly about: string;
  readonly where: Place;
  /** Options of kernel/run.sh for the virtual machine. */
  readonly machine?: readonly string[];
  readonly paper: readonly PaperFigure[];
  /** Programs that it calls; without one of them it is left out, with the reason. */
  readonly tools: readonly string[];
  steps(options: Options): readonly Step[];
  /** Runs on this machine before `open`: compiles what the rig loads into a folder that a virtual machine sees too. */
  prepare?(folder: string): Promise<void>;
  open(lab: Lab, options: Options, folder: string): Promise<Rig> | Rig;
  figures(samples: readonly Sample[]): readonly Figure[];
  table(samples: readonly Sample[]): readonly Row[];
  verdict(samples: readonly Sample[]): Verdict;
}

/** All variants in each repetition, so that what else the machine does weighs on all of them; the order turns. */
export function interleaved(
  variants: readonly string[],
  runs: number,
  seconds: (variant: string) => number,
  where?: (variant: string) => Place,
): Step[] {
  return Array.from({ length: runs }, (_, repetition) =>
    variants.map((_, index) => {
      const variant = variants[(index + repetition) % variants.length]!;
      return { variant, repetition, seconds: seconds(variant), ...(where ? { where: where(variant) } : {}) };
    }),
  ).flat();
}

/** A metric of a variant, by repetition. */
export const valuesOf = (samples: readonly Sample[], variant: string, metric: string): number[] =>
  samples
    .filter((one) => one.variant === variant && metric in one.metrics)
    .toSorted((a, b) => a.repetition - b.repetition)
    .map((one) => one.metrics[metric]!);

/** A metric of one variant over that of another, for each repetition that has both. */
export function ratiosOf(samples: readonly Sample[], variant: string, base: string, metric: string): number[] {
  const below = new Map(samples.filter((one) => one.variant === base).map((one) => [one.repetition, one]));
  return samples
    .filter((one) => one.variant === variant && below.has(one.repetition))
    .map((one) => one.metrics[metric]! / below.get(one.repetition)!.metrics[metric]!)
    .filter(Number.isFinite);
}

/** What a series holds, over all repetitions of a variant. */
export const seriesOf = (samples: readonly Sample[], variant: string, series: string): number[] =>
  samples.filter((one) => one.variant === variant).flatMap((one) => [...(one.series?.[series] ?? [])]);

/** What the samples of an experiment say. Quick ones only show that it works. */
export function verdictOf(experiment: Pick<Experiment, "verdict">, samples: readonly Sample[]): Verdict {
  const verdict = experiment.verdict(samples);
  return samples.some((one) => one.quick)
    ? { reproduced: undefined, because: `a quick run is too short. As far as it goes: ${verdict.because}` }
    : verdict;
}
