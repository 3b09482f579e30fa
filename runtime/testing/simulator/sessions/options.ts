/** What a simulation of sessions is given, as the declarations of `tsbpf/testing` say it, and what it comes to. */
import { bottleneck, type BottleneckGiven, type BottleneckPlan, type SegmentSize } from "../bottleneck.ts";
import { timingOf, writesOf, type FlowGiven, type FlowPlan, type Timing } from "../options.ts";
import { count, duration, known, SimulationError } from "../units.ts";

export interface SessionSimulationOptions {
  readonly seed?: number;
  readonly duration: string;
  readonly every?: string;
  readonly paths: readonly BottleneckGiven[];
  readonly sessions: readonly SessionGiven[];
}
export interface SessionGiven {
  readonly scheduler: unknown;
  readonly congestionControl?: unknown;
  readonly subflows?: readonly SubflowGiven[];
  readonly start?: string;
  readonly bytes?: number;
  readonly writes?: FlowGiven["writes"];
  readonly window?: number;
  readonly tos?: number;
  readonly priority?: number;
}
interface SubflowGiven {
  readonly path: number;
  readonly congestionControl?: unknown;
  readonly start?: string;
  readonly delay?: string;
  readonly backup?: boolean;
  readonly requestBackup?: boolean;
}

export interface SubflowPlan {
  readonly path: number;
  readonly congestionControl: unknown;
  readonly place: string;
  readonly backup: boolean;
  readonly requestBackup: boolean;
  readonly flow: FlowPlan;
}
export interface SessionPlan {
  readonly start: number;
  readonly writes: FlowPlan["writes"];
  readonly window: number;
  readonly tos: number;
  readonly priority: number;
  readonly subflows: readonly SubflowPlan[];
}
export interface SessionsPlan extends Timing {
  readonly paths: readonly BottleneckPlan[];
  readonly sessions: readonly SessionPlan[];
}

/** Each segment also carries where its data belongs in the session's stream: 20 bytes (RFC 8684, 3.3, with 64-bit numbers and no checksum). */
const MAPPED: SegmentSize = { mss: 1428, overhead: 72 };
/** tcp_rmem[2]: what a receiver's buffer grows to. */
const WINDOW = 6_291_456;
/** MPTCP's limit of subflows, beside the first. */
const MOST_SUBFLOWS = 8;

const flag = (place: string, value: unknown): boolean => {
  if (value === undefined || typeof value === "boolean") return value ?? false;
  throw new SimulationError(place, "this is no boolean", "give true or false");
};

function session(given: SessionGiven, index: number, paths: readonly BottleneckPlan[]): SessionPlan {
  const place = `sessions[${index}]`;
  known(place, given, [
    "scheduler",
    "congestionControl",
    "subflows",
    "start",
    "bytes",
    "writes",
    "window",
    "tos",
    "priority",
  ]);
  const { start = "0s", window = WINDOW, tos = 0, priority = 0, congestionControl = "reno" } = given;
  const begin = duration(`${place}.start`, start);
  const subflows = given.subflows ?? paths.map((_, path) => ({ path }));
  if (!Array.isArray(subflows) || subflows.length === 0 || subflows.length > MOST_SUBFLOWS)
    throw new SimulationError(
      `${place}.subflows`,
      "this is no list of subflows",
      `give 1 to ${MOST_SUBFLOWS}: [{ path: 0 }, { path: 1, backup: true }]`,
    );
  const handshake = ({ facts }: BottleneckPlan, extra: number): number => 2 * (facts.delay + extra);
  let joinFrom = begin;
  return {
    start: begin,
    writes: writesOf(place, given, begin),
    window: count(`${place}.window`, window, 1, 2 ** 30, "bytes"),
    tos: count(`${place}.tos`, tos, 0, 255, "the type of service"),
    priority: count(`${place}.priority`, priority, 0, 0xffff_ffff, "the priority"),
    subflows: (subflows as readonly SubflowGiven[]).map((one, at): SubflowPlan => {
      const where = `${place}.subflows[${at}]`;
      known(where, one, ["path", "congestionControl", "start", "delay", "backup", "requestBackup"]);
      const path = count(`${where}.path`, one.path, 0, paths.length - 1, "a path");
      const extraDelay = duration(`${where}.delay`, one.delay ?? "0s");
      const wanted = begin + duration(`${where}.start`, one.start ?? "0s");
      // Others join when the first one is there.
      const own = at === 0 ? wanted : Math.max(wanted, joinFrom);
      if (at === 0) joinFrom = own + handshake(paths[path]!, extraDelay);
      return {
        path,
        congestionControl: one.congestionControl ?? congestionControl,
        place: where,
        backup: flag(`${where}.backup`, one.backup),
        requestBackup: flag(`${where}.requestBackup`, one.requestBackup),
        flow: { start: own, writes: [], extraDelay, ecn: undefined, ackEvery: 2 },
      };
    }),
  };
}

export function sessionsPlanOf(given: SessionSimulationOptions): SessionsPlan {
  known("options", given, ["seed", "duration", "every", "paths", "sessions"]);
  const { paths, sessions } = given;
  if (!Array.isArray(paths) || paths.length === 0)
    throw new SimulationError(
      "paths",
      "there are none",
      'give at least one: [{ rate: "8mbit", delay: "20ms", queue: 30 }]',
    );
  if (!Array.isArray(sessions) || sessions.length === 0)
    throw new SimulationError("sessions", "there are none", "give at least one: [{ scheduler: roundRobin }]");
  const plans = (paths as readonly BottleneckGiven[]).map((one, at) => bottleneck(`paths[${at}]`, one, MAPPED));
  return {
    ...timingOf(given),
    paths: plans,
    sessions: (sessions as readonly SessionGiven[]).map((one, at) => session(one, at, plans)),
  };
}
