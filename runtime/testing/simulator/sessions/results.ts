/** What a run of sessions gives: series of samples, and figures made of them. */
import { during, difference, flowOf, sliced, utilizationOf, type FlowRecord, type FlowRun } from "../results.ts";
import type { PathRecord } from "../run.ts";
import { drawSvg, type Line, type SvgOptions } from "../svg.ts";
import type { SchedulerCalls } from "./scheduler.ts";

export interface SubflowRun extends FlowRun {
  readonly path: number;
  readonly sent: Float64Array;
}
export interface SessionRun {
  readonly name: string;
  readonly delivered: Float64Array;
  readonly goodput: number;
  readonly finished: number | undefined;
  readonly duplicates: number;
  readonly copied: number;
  readonly reinjected: number;
  readonly calls: Readonly<SchedulerCalls>;
  readonly subflows: readonly SubflowRun[];
}
export interface PathRun {
  readonly queue: Float64Array;
  readonly dropped: number;
  readonly utilization: number;
}
export interface SessionsRun {
  readonly time: Float64Array;
  readonly paths: readonly PathRun[];
  readonly sessions: readonly SessionRun[];
  during(from: string, to?: string): SessionsRun;
  toSvg(options?: SvgOptions): string;
}

/** What was noted while it ran; times in seconds, series of what was counted since the beginning. */
export interface SubflowRecord {
  readonly path: number;
  readonly flow: FlowRecord;
  readonly sent: Float64Array;
}
export interface SessionRecord {
  readonly name: string;
  readonly start: number;
  readonly delivered: Float64Array;
  readonly duplicates: Float64Array;
  readonly copied: Float64Array;
  readonly reinjected: Float64Array;
  finished: number | undefined;
  readonly calls: SchedulerCalls;
  readonly subflows: readonly SubflowRecord[];
}
export interface SessionNotes {
  readonly time: Float64Array;
  readonly paths: readonly PathRecord[];
  readonly sessions: readonly SessionRecord[];
}

export function sessionsRunOf(record: SessionNotes, from = 0, to = record.time.length - 1): SessionsRun {
  const cut = sliced(from, to);
  const time = cut(record.time);
  const run: SessionsRun = {
    time,
    paths: record.paths.map((path) => ({
      queue: cut(path.queue),
      dropped: difference(cut(path.dropped)),
      utilization: utilizationOf(path, time, cut),
    })),
    sessions: record.sessions.map((one) => {
      const delivered = cut(one.delivered);
      const [begin, end] = [Math.max(one.start, time[0]!), Math.min(one.finished ?? Infinity, time.at(-1)!)];
      return {
        name: one.name,
        delivered,
        goodput: end > begin ? (difference(delivered) * 8) / (end - begin) : 0,
        finished: one.finished,
        duplicates: difference(cut(one.duplicates)),
        copied: difference(cut(one.copied)),
        reinjected: difference(cut(one.reinjected)),
        calls: one.calls,
        subflows: one.subflows.map(({ path, flow, sent }) => ({ ...flowOf(flow, time, cut), path, sent: cut(sent) })),
      };
    }),
    during: (begin, end) => sessionsRunOf(record, ...during(record.time, begin, end, from, to)),
    toSvg: (options) => toSvg(run, options),
  };
  return run;
}

const megabytes = (series: Float64Array): Float64Array => series.map((bytes) => bytes / 1e6);

function toSvg({ time, paths, sessions }: SessionsRun, options: SvgOptions = {}): string {
  const subflows = sessions.flatMap((one, session) => one.subflows.map((subflow) => ({ ...subflow, session })));
  const lines = (of: (subflow: SubflowRun) => Float64Array): Line[] =>
    subflows.map((one, colour) => ({ series: of(one), colour }));
  return drawSvg(
    {
      title: "Sessions over time",
      time,
      panels: [
        {
          title: "sent on each subflow (MB); dashed: the session's stream, arrived in order",
          lines: [
            ...sessions.map(({ delivered }): Line => ({ series: megabytes(delivered), dashed: true })),
            ...lines(({ sent }) => megabytes(sent)),
          ],
        },
        { title: "window (segments)", lines: lines(({ cwnd }) => cwnd) },
        { title: "round-trip time (ms)", lines: lines(({ rttMs }) => rttMs) },
        { title: "queue of each path (packets)", lines: paths.map(({ queue }, colour) => ({ series: queue, colour })) },
      ],
      legend: subflows.map(({ session, path }) => `${session}: ${sessions[session]!.name}, path ${path}`),
    },
    options,
  );
}
