/** One flow of a run: what sends over a path, what receives, and what is noted of it. */
import { congestionParts } from "../congestion-view.ts";
import { borrow } from "../host.ts";
import { schemeOf } from "./bytecode.ts";
import { BEGIN, type Clock } from "./clock.ts";
import { CALLED, counted, replace, type Attached, type Calls, type Control, type Scheme } from "./control.ts";
import type { FlowPlan } from "./options.ts";
import type { Path } from "./path.ts";
import { createReceiver, type Receiver } from "./receiver.ts";
import { RENO } from "./reno.ts";
import type { FlowRecord } from "./results.ts";
import { acknowledged } from "./sender/acks.ts";
import { closeSender, isDone, openSender, write } from "./sender/sender.ts";
import type { Sender } from "./sender/state.ts";
import type { Acknowledgement } from "./segments.ts";
import { ECN, freshSock, inFlight } from "./sock.ts";
import type { Ends } from "./run.ts";
import { SimulationError } from "./units.ts";

/** More than any path holds: 100 Gbit/s over 30 ms. A window that has gone around would be sent for hours. */
const MOST_IN_FLIGHT = 1 << 18;

/** The model's own. */
const BUILT_IN: Readonly<Record<string, Scheme>> = { reno: RENO };
const isBuiltIn = (name: string): boolean => Object.hasOwn(BUILT_IN, name);

/** The congestion control that was given at `place`, for errors. */
export function schemeFor(given: unknown, place: string, { atEnd, seed }: Ends): Scheme {
  if (typeof given === "string" && isBuiltIn(given)) return BUILT_IN[given]!;
  const parts = typeof given === "object" && given !== null ? congestionParts(given) : undefined;
  if (!parts)
    throw new SimulationError(
      place,
      typeof given === "string" ? `"${given}" is not built in` : "this is no loaded congestion control",
      `give an export of a module that load() gave, or "${Object.keys(BUILT_IN).join('", "')}"`,
    );
  atEnd(borrow(parts.shared.host, seed));
  return schemeOf(parts, atEnd);
}

/** What a session that has the flow for a subflow does with it. Its application is the session's, and it goes on until the run ends. */
export interface Owner {
  opened(sender: Sender): void;
  /** The peer has everything of it before this byte. */
  arrived(nextByte: number): void;
  /** What an acknowledgement says of the session, when it leaves, and when it is heard; true: the application waits for room. */
  says(): number;
  heard(said: number): boolean;
}

export interface Flow {
  readonly record: FlowRecord;
  sample(index: number): void;
  close(): void;
}

const noCalls = (): Calls => Object.fromEntries(Object.keys(CALLED).map((name) => [name, 0])) as Calls;

export interface FlowParts {
  readonly clock: Clock;
  readonly path: Path;
  readonly scheme: Scheme;
  /** What the path knows it by; how faults and mistakes call it. */
  readonly index: number;
  readonly who: string;
  readonly place: string;
  readonly mss: number;
  readonly plan: FlowPlan;
  /** How often it is sampled. */
  readonly samples: number;
  readonly owner?: Owner;
}

export function createFlow({ clock, path, scheme, index, who, place, mss, plan, samples, owner }: FlowParts): Flow {
  const { start, writes, extraDelay, ecn, ackEvery } = plan;
  const series = (): Float64Array => new Float64Array(samples).fill(NaN);
  const sock = freshSock(mss);
  const calls = noCalls();
  const isEcn = ecn ?? scheme.needsEcn;
  const seconds = (): number => (clock.now - BEGIN) / 1e9;
  const states: { time: number; state: number }[] = [];
  let sender: Sender | undefined;
  let receiver: Receiver | undefined;
  let isClosed = false;
  let attached: Attached | undefined;

  const record: FlowRecord = {
    name: scheme.name,
    start: start / 1e9,
    cwnd: series(),
    ssthresh: series(),
    rttMs: series(),
    inFlight: series(),
    delivered: new Float64Array(samples),
    retransmissions: new Float64Array(samples),
    states,
    finished: undefined,
    calls,
    state: undefined,
  };

  function close(): void {
    if (isClosed) return;
    isClosed = true;
    if (sender) closeSender(sender);
    record.state = attached?.state();
    receiver?.close();
  }
  function note(): void {
    if (sender && states.at(-1)?.state !== sock.caState) states.push({ time: seconds(), state: sock.caState });
  }
  const unwritten = new Set(writes);
  function open(rtt: number): void {
    const here = { now: () => clock.now, who: `${who} (${scheme.name})`, choose: isBuiltIn };
    const peer = freshSock(mss);
    if (isEcn) peer.ecnFlags = ECN.Ok;
    const atReceiver = scheme.needsEcn
      ? scheme.attach(peer, { ...here, who: `${here.who}, receiver`, sendAck: (next) => receiver?.sendAck(next) })
      : undefined;
    atReceiver?.control.init?.();
    receiver = createReceiver({
      clock,
      sock: peer,
      control: atReceiver?.control,
      every: ackEvery,
      acknowledge(ack) {
        const said = owner?.says();
        clock.at(clock.now + path.delay + extraDelay, () => hear(ack, said));
      },
      ...(owner ? { arrived: (nextByte: number) => owner.arrived(nextByte) } : {}),
    });
    const { take } = receiver;
    const watch = (control: Control): Control => {
      const watched = counted(control, calls);
      const { setState } = watched;
      watched.setState = (state) => {
        setState?.(state);
        states.push({ time: seconds(), state });
      };
      return watched;
    };
    let { needsEcn } = scheme;
    function choose(name: string): boolean {
      if (!isBuiltIn(name)) return false;
      const other = BUILT_IN[name]!;
      // The one that goes is told, as tcp_reinit_congestion_control does.
      watched.release?.();
      ({ needsEcn } = other);
      replace(watched, watch(other.attach(sock, { ...here, sendAck: () => undefined }).control));
      return true;
    }
    attached = scheme.attach(sock, { ...here, choose, sendAck: () => undefined });
    const watched = watch(attached.control);
    const emit = (segment: Parameters<typeof take>[0]): void => {
      if (sock.packetsOut > MOST_IN_FLIGHT)
        throw new SimulationError(
          place,
          `${scheme.name} has ${sock.packetsOut} segments in flight after ${seconds()} s, and a window of ${sock.sndCwnd}`,
          "look where the window is made: an unsigned difference below 0 goes around",
        );
      path.send(index, segment, extraDelay, take);
    };
    sender = openSender(
      { clock, sock, control: watched, emit, isEcn, needsEcn: () => needsEcn },
      Math.floor(rtt / 1000),
    );
    note();
    owner?.opened(sender);
    for (const one of unwritten)
      clock.at(BEGIN + one.at, () => {
        unwritten.delete(one);
        write(sender!, one.bytes);
      });
  }
  function hear(ack: Acknowledgement, said: number | undefined): void {
    if (isClosed || !sender) return;
    if (owner) return acknowledged(sender, ack, () => owner.heard(said!));
    acknowledged(sender, ack);
    if (unwritten.size > 0 || !isDone(sender)) return;
    record.finished = seconds();
    close();
  }
  clock.at(BEGIN + start, () => {
    const rtt = 2 * (path.delay + extraDelay) + path.wait;
    clock.at(clock.now + rtt, () => open(Math.max(1000, Math.round(rtt))));
  });

  return {
    record,
    close,
    sample(at) {
      record.delivered[at] = receiver?.received ?? 0;
      record.retransmissions[at] = sock.totalRetrans;
      if (!sender || isClosed) return;
      record.cwnd[at] = sock.sndCwnd;
      record.ssthresh[at] = sock.sndSsthresh;
      record.rttMs[at] = sender.lastRttUs / 1000;
      record.inFlight[at] = inFlight(sock);
    },
  };
}
