/** A bottleneck as the declarations of `tsbpf/testing` say it, and what it comes to. */
import type { DataSegment } from "./segments.ts";
import type { PathFacts } from "./path.ts";
import { count, duration, known, probability, rate, SimulationError } from "./units.ts";

export interface BottleneckGiven {
  readonly rate: string;
  readonly delay: string;
  readonly queue: number | { readonly bytes: number };
  readonly loss?: number;
  readonly ecn?: number;
  readonly mss?: number;
  readonly overhead?: number;
  readonly pass?: (segment: PassedSegment) => boolean;
}
/** What `pass` is shown of a segment. */
interface PassedSegment {
  readonly flow: number;
  readonly number: number;
  readonly bytes: number;
  readonly isRetransmission: boolean;
  readonly seconds: number;
}
/** What a full segment is unless said: bytes of data, and of headers. Both together are a packet of 1500 bytes. */
export interface SegmentSize {
  readonly mss: number;
  readonly overhead: number;
}
/** IPv4, and TCP with timestamps. */
export const PLAIN: SegmentSize = { mss: 1448, overhead: 52 };

export interface BottleneckPlan {
  readonly mss: number;
  readonly facts: Omit<PathFacts, "dice" | "pass">;
  /** Times are nanoseconds from the run's beginning. */
  readonly pass: (flow: number, segment: DataSegment, now: number) => boolean;
}

function room(place: string, value: unknown): PathFacts["room"] {
  if (typeof value !== "object" || value === null) return { packets: count(place, value, 1, 1e9, "packets") };
  known(place, value, ["bytes"]);
  return { bytes: count(`${place}.bytes`, (value as { readonly bytes?: unknown }).bytes, 1, 1e12, "bytes") };
}

/** Checks what was given at `place`, for errors. */
export function bottleneck(place: string, given: BottleneckGiven, size: SegmentSize): BottleneckPlan {
  known(place, given, ["rate", "delay", "queue", "loss", "ecn", "mss", "overhead", "pass"]);
  const { loss = 0, ecn, mss = size.mss, overhead = size.overhead, pass } = given;
  if (pass !== undefined && typeof pass !== "function")
    throw new SimulationError(`${place}.pass`, "this is no function", "give one that says whether a segment passes");
  return {
    mss: count(`${place}.mss`, mss, 88, 65_000, "bytes"),
    facts: {
      rate: rate(`${place}.rate`, given.rate),
      delay: duration(`${place}.delay`, given.delay),
      room: room(`${place}.queue`, given.queue),
      loss: probability(`${place}.loss`, loss),
      markAt: ecn === undefined ? Infinity : count(`${place}.ecn`, ecn, 0, 1e9, "packets"),
      overhead: count(`${place}.overhead`, overhead, 0, 1000, "bytes"),
    },
    pass: pass
      ? (index, { number, start, end, isRetransmission }, now) =>
          pass({ flow: index, number, bytes: end - start, isRetransmission, seconds: now / 1e9 })
      : () => true,
  };
}
