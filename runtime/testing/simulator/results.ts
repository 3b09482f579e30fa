/** What a run of the simulator gives: series of samples, and figures made of them. */
import type { Calls } from "./control.ts";
import type { PathRecord } from "./run.ts";
import { toSvg, type SvgOptions } from "./svg.ts";
import { duration, SimulationError } from "./units.ts";

/** One flow of a run. */
export interface FlowRun {
  readonly name: string;
  readonly cwnd: Float64Array;
  readonly ssthresh: Float64Array;
  readonly rttMs: Float64Array;
  readonly inFlight: Float64Array;
  readonly delivered: Float64Array;
  readonly goodput: number;
  readonly retransmissions: number;
  readonly states: readonly StateChange[];
  readonly finished: number | undefined;
  readonly calls: Readonly<Calls>;
  readonly state: unknown;
}
export interface StateChange {
  readonly time: number;
  readonly state: number;
}
export interface Run {
  readonly time: Float64Array;
  readonly queue: Float64Array;
  readonly flows: readonly FlowRun[];
  readonly dropped: number;
  readonly utilization: number;
  fairness(): number;
  during(from: string, to?: string): Run;
  toSvg(options?: SvgOptions): string;
}

/** What was noted while it ran; times in seconds. */
export interface Notes extends PathRecord {
  readonly time: Float64Array;
  readonly flows: readonly FlowRecord[];
}
export interface FlowRecord {
  readonly name: string;
  readonly start: number;
  readonly cwnd: Float64Array;
  readonly ssthresh: Float64Array;
  readonly rttMs: Float64Array;
  readonly inFlight: Float64Array;
  readonly delivered: Float64Array;
  readonly retransmissions: Float64Array;
  readonly states: StateChange[];
  finished: number | undefined;
  readonly calls: Calls;
  /** What the congestion control keeps, as it was at the end. */
  state: unknown;
}

export const difference = (series: Float64Array): number => series.at(-1)! - series[0]!;
type Cut = (series: Float64Array) => Float64Array;
/** The samples of a part of a run. */
export const sliced =
  (from: number, to: number): Cut =>
  (series) =>
    series.subarray(from, to + 1);

export function flowOf(one: FlowRecord, time: Float64Array, cut: Cut): FlowRun {
  const delivered = cut(one.delivered);
  const [begin, end] = [Math.max(one.start, time[0]!), Math.min(one.finished ?? Infinity, time.at(-1)!)];
  return {
    name: one.name,
    cwnd: cut(one.cwnd),
    ssthresh: cut(one.ssthresh),
    rttMs: cut(one.rttMs),
    inFlight: cut(one.inFlight),
    delivered,
    goodput: end > begin ? (difference(delivered) * 8) / (end - begin) : 0,
    retransmissions: difference(cut(one.retransmissions)),
    states: one.states.filter((change) => change.time >= time[0]! && change.time <= time.at(-1)!),
    finished: one.finished,
    calls: one.calls,
    state: one.state,
  };
}

/** Jain's index: 1 where all have the same, 1/n where one has all. */
function jain(shares: readonly number[]): number {
  const sum = shares.reduce((all, one) => all + one, 0);
  const squares = shares.reduce((all, one) => all + one * one, 0);
  return squares === 0 ? 1 : (sum * sum) / (shares.length * squares);
}

/** How much of the time of these samples the path was sending, 0 to 1. */
export function utilizationOf({ carried, rate }: PathRecord, time: Float64Array, cut: Cut): number {
  const seconds = difference(time);
  return seconds > 0 ? (difference(cut(carried)) * 8) / (rate * seconds) : 0;
}

/** The first and the last sample of a part of a run, which is itself from `from` to `to`. */
export function during(
  time: Float64Array,
  begin: string,
  end: string | undefined,
  from: number,
  to: number,
): readonly [first: number, last: number] {
  const start = duration("during", begin) / 1e9;
  const stop = end === undefined ? Infinity : duration("during", end) / 1e9;
  const first = time.findIndex((at, index) => index >= from && at >= start - 1e-9);
  const last = time.findLastIndex((at, index) => index <= to && at <= stop + 1e-9);
  if (first < 0 || last <= first)
    throw new SimulationError(
      "during",
      `nothing was sampled from ${begin} to ${end ?? "the end"}`,
      "give a part of the run",
    );
  return [first, last];
}

export function runOf(record: Notes, from = 0, to = record.time.length - 1): Run {
  const cut = sliced(from, to);
  const time = cut(record.time);
  const flows = record.flows.map((one) => flowOf(one, time, cut));
  const run: Run = {
    time,
    queue: cut(record.queue),
    flows,
    dropped: difference(cut(record.dropped)),
    utilization: utilizationOf(record, time, cut),
    fairness: () => jain(flows.map(({ goodput }) => goodput)),
    during: (begin, end) => runOf(record, ...during(record.time, begin, end, from, to)),
    toSvg: (options) => toSvg(run, options),
  };
  return run;
}
