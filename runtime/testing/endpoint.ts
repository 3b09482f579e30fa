/** One end of a wired connection: a small TCP sender and receiver (RFC 9293, 5681, 6298) whose state programs see and change. */
import { SOCK_OPS_CALLBACKS, SOCK_OPS_EVENTS } from "../../compiler/bpf/kinds/sock-ops.ts";
import type { Connection } from "./connection.ts";
import type { Loaded } from "./call.ts";
import { deliver } from "./deliver.ts";
import type { HistoryEntry } from "./history.ts";
import { countArrival, FLAGS, kernelOptions, segmentArrives, segmentLeaves, timerFired } from "./hooks.ts";

/** What travels. Sequence numbers count bytes of data from 0. */
export interface Packet {
  readonly flags: number;
  readonly seq: number;
  readonly ack: number;
  readonly payload: number;
  /** Option bytes of programs only. */
  readonly options: Uint8Array;
}

/** What an end needs of the world. Times are in milliseconds. */
export interface Wire {
  now(): number;
  after(delay: number, run: () => void): void;
  send(packet: Packet): void;
}

export interface Endpoint {
  readonly connection: Connection;
  readonly loaded: Loaded;
  /** Sends a segment, the next one unless `seq` says otherwise, and asks the program for options; `answer`: to a SYN, for a request socket. */
  emit(flags: number, payload: number, seq?: number, answer?: "request" | "cookie"): void;
  arrive(packet: Packet): void;
  /** Queues data and sends what the window allows. */
  offer(bytes: number): void;
  /** A round-trip time was measured, in milliseconds. */
  measured(rtt: number): void;
  readonly done: boolean;
  readonly broken: boolean;
  /** Sends nothing any more, and waits for nothing. */
  giveUp(): void;
  /** Runs something as one event of the history. */
  noted(title: string, run: (entry: HistoryEntry) => void): void;
}

interface Flying {
  readonly seq: number;
  readonly payload: number;
  readonly firstSentAt: number;
  /** Of the last time. */
  sentAt: number;
  again: boolean;
}

/** Milliseconds (include/net/tcp.h). */
const TIMES = { firstRto: 1000, leastRto: 200, mostRto: 120_000, delayedAck: 40 } as const;
const RETRIES = 8;
const ACK_EVERY = 2;
const DUPLICATES = 3;
const op = SOCK_OPS_EVENTS;
const bit = SOCK_OPS_CALLBACKS;

export function createEndpoint(loaded: Loaded, connection: Connection, wire: Wire): Endpoint {
  let queued = 0;
  let next = 0;
  let flying: Flying[] = [];
  let expected = 0;
  /** What was expected when a segment was last sent: the acknowledgement in it. */
  let told = 0;
  const early = new Map<number, number>();
  let smoothed = 0;
  let variation = 0;
  let backoff = 0;
  let timer = 0;
  let duplicates = 0;
  let recoverUntil = -1;
  let growth = 0;
  let unanswered = 0;
  let answerTimer = 0;
  let broken = false;

  const update = (fields: Partial<Connection["fields"]>): void => {
    connection.fields = { ...connection.fields, ...fields };
  };
  const noted = (title: string, run: (entry: HistoryEntry) => void): void => {
    const entry = loaded.history.begin(loaded.program, `${title} at ${wire.now().toFixed(1)} ms`);
    run(entry);
    // Only what made a program do something is worth telling.
    if (entry.effects.length === 0) loaded.history.dropLast(entry);
  };
  const asked = (callback: number): boolean => (connection.callbacks & callback) !== 0;
  const rto = (): number => {
    const base = smoothed === 0 ? TIMES.firstRto : Math.max(TIMES.leastRto, smoothed + 4 * variation);
    return Math.min(base * 2 ** backoff, TIMES.mostRto);
  };

  const emit = (flags: number, payload: number, seq = next, answer?: "request" | "cookie"): void => {
    unanswered = 0;
    answerTimer++;
    told = expected;
    // What is counted from 0 here begins at the initial sequence number in the header.
    const of = { request: answer !== undefined, cookie: answer === "cookie" };
    const segment = { flags, payload, seq: (connection.fields.sndNxt + seq - next) >>> 0, ...of };
    noted(payload > 0 ? `sends ${payload} bytes` : "sends a segment", (entry) => {
      const options = segmentLeaves(loaded, connection, segment, entry) ?? new Uint8Array();
      wire.send({ flags, seq, ack: expected, payload, options });
    });
  };

  const arm = (): void => {
    const mine = ++timer;
    if (flying.length > 0) wire.after(rto(), () => mine === timer && expired());
  };
  const retransmit = (segment: Flying): void => {
    segment.again = true;
    segment.sentAt = wire.now();
    const { totalRetrans, retransOut, lostOut } = connection.fields;
    update({ totalRetrans: totalRetrans + 1, lostOut: Math.max(1, lostOut) });
    emit(FLAGS.ack | FLAGS.psh, segment.payload, segment.seq);
    // Told when it has gone, and before it is counted among those under way.
    if (asked(bit.Retrans.bit))
      noted(
        "retransmits",
        (entry) => void deliver(loaded, connection, { op: op.Retrans.op, args: [segment.seq, 1, 0, 0] }, entry),
      );
    update({ retransOut: retransOut + 1 });
  };
  const expired = (): void => {
    // Programs are told how often it fired before.
    const before = backoff++;
    const gaveUp = backoff > RETRIES;
    noted("retransmission time-out", (entry) =>
      timerFired(loaded, connection, before, Math.round(rto()), gaveUp, entry),
    );
    if (gaveUp) {
      broken = true;
      flying = [];
      return;
    }
    const sndSsthresh = Math.max(2, Math.floor(connection.fields.sndCwnd / 2));
    update({ sndSsthresh, sndCwnd: 1, lostOut: flying.length, retransOut: 0 });
    recoverUntil = next;
    retransmit(flying[0]!);
    arm();
  };

  const pump = (): void => {
    while (queued > 0 && flying.length < connection.fields.sndCwnd && !broken) {
      const payload = Math.min(queued, connection.fields.mss);
      queued -= payload;
      flying.push({ seq: next, payload, firstSentAt: wire.now(), sentAt: wire.now(), again: false });
      emit(FLAGS.ack | FLAGS.psh, payload);
      next += payload;
      // Counted when it has gone.
      update({ packetsOut: flying.length, sndNxt: (connection.fields.sndNxt + payload) >>> 0 });
      if (flying.length === 1) arm();
    }
  };

  const measured = (rtt: number): void => {
    variation = smoothed === 0 ? rtt / 2 : 0.75 * variation + 0.25 * Math.abs(smoothed - rtt);
    smoothed = smoothed === 0 ? rtt : 0.875 * smoothed + 0.125 * rtt;
    const micros = Math.round(rtt * 1000);
    const srttUs = Math.round(smoothed * 1000);
    update({ rttMinUs: Math.min(connection.fields.rttMinUs, micros) });
    // The program is told before the smoothed time changes.
    if (asked(bit.Rtt.bit))
      noted(
        "measures the round-trip time",
        (entry) => void deliver(loaded, connection, { op: op.Rtt.op, args: [micros, srttUs, 0, 0] }, entry),
      );
    update({ srttUs });
  };

  const grow = (segments: number): void => {
    const { sndCwnd, sndSsthresh } = connection.fields;
    const clamp = Number(connection.sockOpts["TCP_BPF_SNDCWND_CLAMP"] ?? Infinity);
    if (sndCwnd >= clamp) return update({ sndCwnd: clamp });
    if (sndCwnd < sndSsthresh) return update({ sndCwnd: Math.min(sndCwnd + segments, clamp) });
    growth += segments;
    if (growth >= sndCwnd) {
      growth = 0;
      update({ sndCwnd: sndCwnd + 1 });
    }
  };

  const acknowledged = (upTo: number, pure: boolean): void => {
    const [first] = flying;
    if (!first) return;
    if (upTo <= first.seq) {
      if (pure && upTo === first.seq) duplicates++;
      update({ sackedOut: Math.min(duplicates, flying.length - 1) });
      if (pure && upTo === first.seq && duplicates === DUPLICATES && first.seq > recoverUntil) {
        const half = Math.max(2, Math.floor(connection.fields.sndCwnd / 2));
        update({ sndSsthresh: half, sndCwnd: half });
        recoverUntil = next;
        retransmit(first);
      }
      return;
    }
    const gone = flying.filter((one) => one.seq + one.payload <= upTo);
    flying = flying.filter((one) => one.seq + one.payload > upTo);
    duplicates = 0;
    backoff = 0;
    // Time stamps tell which time was answered, even of what was sent twice (RFC 7323).
    const measures = gone.findLast((one) => !one.again) ?? gone.at(-1);
    const bytes = gone.reduce((sum, one) => sum + one.payload, 0);
    update({
      bytesAcked: connection.fields.bytesAcked + BigInt(bytes),
      sndUna: (connection.fields.sndUna + bytes) >>> 0,
      packetsOut: flying.length,
      sackedOut: 0,
      ...(flying.length === 0 ? { lostOut: 0, retransOut: 0 } : {}),
    });
    if (measures) {
      measured(wire.now() - measures.sentAt);
      const took = wire.now() - measures.firstSentAt;
      update({ rateDelivered: gone.length, rateIntervalUs: Math.max(1, Math.round(took * 1000)) });
    }
    grow(gone.length);
    // A hole that shows while recovering is filled at once (RFC 6582).
    if (flying[0] && upTo <= recoverUntil && !flying[0].again) retransmit(flying[0]);
    arm();
    pump();
  };

  const received = (packet: Packet): void => {
    if (packet.seq > expected) {
      early.set(packet.seq, packet.payload);
      return emit(FLAGS.ack, 0);
    }
    const isNew = packet.seq + packet.payload > expected;
    const before = expected;
    expected = Math.max(expected, packet.seq + packet.payload);
    for (let more = early.get(expected); more !== undefined; more = early.get(expected)) {
      early.delete(expected);
      expected += more;
    }
    update({ rcvNxt: (connection.fields.rcvNxt + expected - before) >>> 0 });
    const every = Number(connection.sockOpts["TCP_DELACK_SEGS"] ?? 0) || ACK_EVERY;
    const longest = (connection.timers.delackMax ?? TIMES.delayedAck * 1000) / 1000;
    if (!isNew || early.size > 0 || ++unanswered >= every) return emit(FLAGS.ack, 0);
    const mine = ++answerTimer;
    wire.after(longest, () => mine === answerTimer && emit(FLAGS.ack, 0));
  };

  return {
    connection,
    loaded,
    emit,
    measured,
    noted,
    offer(bytes) {
      queued += bytes;
      pump();
    },
    arrive(packet) {
      if (broken) return;
      noted(packet.payload > 0 ? `receives ${packet.payload} bytes` : "receives a segment", (entry) => {
        const options = Uint8Array.from([...kernelOptions(FLAGS.ack), ...packet.options]);
        const { flags, payload } = packet;
        const seq = (connection.fields.rcvNxt + packet.seq - expected) >>> 0;
        // Data that ends before what was acknowledged is dropped before anybody looks at it (tcp_sequence).
        const isOld = payload > 0 && packet.seq + payload < told;
        if (isOld) countArrival(connection, { flags, payload });
        else segmentArrives(loaded, connection, { flags, payload, seq }, options, entry);
      });
      if (packet.payload > 0) received(packet);
      acknowledged(packet.ack, packet.payload === 0);
    },
    get done() {
      return broken || (queued === 0 && flying.length === 0);
    },
    get broken() {
      return broken;
    },
    giveUp() {
      broken = true;
      timer++;
      answerTimer++;
      queued = 0;
      flying = [];
    },
  };
}
