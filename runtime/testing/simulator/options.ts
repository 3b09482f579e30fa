/** What a simulation is given, as the declarations of `tsbpf/testing` say it, and what it comes to. */
import { bottleneck, PLAIN, type BottleneckGiven, type BottleneckPlan } from "./bottleneck.ts";
import { count, duration, known, SimulationError } from "./units.ts";

export interface SimulationOptions {
  readonly seed?: number;
  readonly duration: string;
  readonly every?: string;
  readonly path: BottleneckGiven;
  readonly flows: readonly FlowGiven[];
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
export interface Plan extends Timing {
  readonly path: BottleneckPlan;
  readonly flows: readonly FlowPlan[];
}

const MOST_SAMPLES = 5_000_000;

type Writes = FlowPlan["writes"];
interface Written {
  readonly bytes?: number;
  readonly writes?: FlowGiven["writes"];
}
/** What an application writes that begins at `begin`: the one or the other, or without an end. */
export function writesOf(place: string, { bytes, writes }: Written, begin: number): Writes {
  if (bytes !== undefined && writes !== undefined)
    throw new SimulationError(`${place}.writes`, "bytes are given as well", "say how much with one of them");
  if (writes !== undefined && !Array.isArray(writes))
    throw new SimulationError(`${place}.writes`, "this is no list", 'give one: [{ at: "1s", bytes: 100_000 }]');
  writes?.forEach((one, at) => known(`${place}.writes[${at}]`, one, ["at", "bytes"]));
  return (writes ?? [{ at: "0s", bytes: bytes ?? Infinity }]).map((one, at) => ({
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
}

function flow(given: FlowGiven, index: number): FlowPlan {
  const place = `flows[${index}]`;
  known(place, given, ["congestionControl", "start", "bytes", "writes", "delay", "ecn", "ackEvery"]);
  const { start = "0s", delay = "0s", ecn, ackEvery = 2 } = given;
  const begin = duration(`${place}.start`, start);
  if (ecn !== undefined && typeof ecn !== "boolean")
    throw new SimulationError(`${place}.ecn`, "this is no boolean", "give true or false");
  return {
    start: begin,
    writes: writesOf(place, given, begin),
    extraDelay: duration(`${place}.delay`, delay),
    ecn,
    ackEvery: count(`${place}.ackEvery`, ackEvery, 1, 1000, "segments"),
  };
}

export interface Timing {
  readonly seed: number;
  readonly duration: number;
  readonly every: number;
}
/** How long a run is, when it is sampled, and what its dice begin with. */
export function timingOf(given: {
  readonly seed?: number;
  readonly duration: string;
  readonly every?: string;
}): Timing {
  const { seed = 1, every = "10ms" } = given;
  const length = duration("duration", given.duration);
  const step = duration("every", every);
  if (step <= 0 || length / step > MOST_SAMPLES)
    throw new SimulationError("every", `"${every}" gives too many samples`, `at most ${MOST_SAMPLES} fit a run`);
  return { seed: count("seed", seed, 0, 0xffff_ffff, "the seed"), duration: length, every: step };
}

export function planOf(given: SimulationOptions): Plan {
  known("options", given, ["seed", "duration", "every", "path", "flows"]);
  const { path, flows } = given;
  if (!Array.isArray(flows) || flows.length === 0)
    throw new SimulationError("flows", "there are none", 'give at least one: [{ congestionControl: "reno" }]');
  return { ...timingOf(given), path: bottleneck("path", path, PLAIN), flows: flows.map(flow) };
}
