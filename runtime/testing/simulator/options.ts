/** What a simulation is given, as the declarations of `tsbpf/testing` say it, and what it comes to. */
import type { DataSegment } from "./segments.ts";
import type { PathFacts } from "./path.ts";
import { count, duration, known, probability, rate, SimulationError } from "./units.ts";

export interface SimulationOptions {
  readonly seed?: number;
  readonly duration: string;
  readonly every?: string;
  readonly path: PathGiven;
  readonly flows: readonly FlowGiven[];
}
interface PathGiven {
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
export interface FlowGiven {
  readonly congestionControl: unknown;
  readonly start?: string;
  readonly bytes?: number;
  readonly writes?: readonly { readonly at: string; readonly bytes: number }[];
  readonly delay?: string;
  readonly ecn?: boolean;
  readonly ackEvery?: number;
}

/** Times are nanoseconds from the run's beginning. */
export interface FlowPlan {
  readonly start: number;
  /** What the application writes, and when; Infinity: it never stops. */
  readonly writes: readonly { readonly at: number; readonly bytes: number }[];
  readonly extraDelay: number;
  /** Undefined: as the congestion control wants it. */
  readonly ecn: boolean | undefined;
  readonly ackEvery: number;
}
export interface Plan {
  readonly seed: number;
  readonly duration: number;
  readonly every: number;
  readonly mss: number;
  readonly path: Omit<PathFacts, "dice" | "pass">;
  readonly pass: (flow: number, segment: DataSegment, now: number) => boolean;
  readonly flows: readonly FlowPlan[];
}

/** IPv4 and TCP headers with timestamps; a full segment is then a packet of 1500 bytes. */
const OVERHEAD = 52;
const MSS = 1448;
const MOST_SAMPLES = 5_000_000;

function room(value: unknown): PathFacts["room"] {
  if (typeof value !== "object" || value === null) return { packets: count("path.queue", value, 1, 1e9, "packets") };
  known("path.queue", value, ["bytes"]);
  return { bytes: count("path.queue.bytes", (value as { readonly bytes?: unknown }).bytes, 1, 1e12, "bytes") };
}

function flow(given: FlowGiven, index: number): FlowPlan {
  const place = `flows[${index}]`;
  known(place, given, ["congestionControl", "start", "bytes", "writes", "delay", "ecn", "ackEvery"]);
  const { start = "0s", bytes, writes, delay = "0s", ecn, ackEvery = 2 } = given;
  const begin = duration(`${place}.start`, start);
  if (bytes !== undefined && writes !== undefined)
    throw new SimulationError(`${place}.writes`, "bytes are given as well", "say how much with one of them");
  if (writes !== undefined && !Array.isArray(writes))
    throw new SimulationError(`${place}.writes`, "this is no list", 'give one: [{ at: "1s", bytes: 100_000 }]');
  writes?.forEach((one, at) => known(`${place}.writes[${at}]`, one, ["at", "bytes"]));
  if (ecn !== undefined && typeof ecn !== "boolean")
    throw new SimulationError(`${place}.ecn`, "this is no boolean", "give true or false");
  const all = (writes ?? [{ at: "0s", bytes: bytes ?? Infinity }]).map((one, at) => ({
    at: begin + duration(`${place}.writes[${at}].at`, one.at),
    bytes:
      one.bytes === Infinity && !writes
        ? Infinity
        : count(
            writes ? `${place}.writes[${at}].bytes` : `${place}.bytes`,
            one.bytes,
            1,
            Number.MAX_SAFE_INTEGER,
            "bytes",
          ),
  }));
  return {
    start: begin,
    writes: all,
    extraDelay: duration(`${place}.delay`, delay),
    ecn,
    ackEvery: count(`${place}.ackEvery`, ackEvery, 1, 1000, "segments"),
  };
}

export function planOf(given: SimulationOptions): Plan {
  known("options", given, ["seed", "duration", "every", "path", "flows"]);
  const { seed = 1, every = "10ms", path, flows } = given;
  known("path", path, ["rate", "delay", "queue", "loss", "ecn", "mss", "overhead", "pass"]);
  if (!Array.isArray(flows) || flows.length === 0)
    throw new SimulationError("flows", "there are none", 'give at least one: [{ congestionControl: "reno" }]');
  const { loss = 0, ecn, mss = MSS, overhead = OVERHEAD, pass } = path;
  if (pass !== undefined && typeof pass !== "function")
    throw new SimulationError("path.pass", "this is no function", "give one that says whether a segment passes");
  const length = duration("duration", given.duration);
  const step = duration("every", every);
  if (step <= 0 || length / step > MOST_SAMPLES)
    throw new SimulationError("every", `"${every}" gives too many samples`, `at most ${MOST_SAMPLES} fit a run`);
  return {
    seed: count("seed", seed, 0, 0xffff_ffff, "the seed"),
    duration: length,
    every: step,
    mss: count("path.mss", mss, 88, 65_000, "bytes"),
    path: {
      rate: rate("path.rate", path.rate),
      delay: duration("path.delay", path.delay),
      room: room(path.queue),
      loss: probability("path.loss", loss),
      markAt: ecn === undefined ? Infinity : count("path.ecn", ecn, 0, 1e9, "packets"),
      overhead: count("path.overhead", overhead, 0, 1000, "bytes"),
    },
    pass: pass
      ? (index, { number, start, end, isRetransmission }, now) =>
          pass({ flow: index, number, bytes: end - start, isRetransmission, seconds: now / 1e9 })
      : () => true,
    flows: flows.map(flow),
  };
}
