/** Two endpoints and the path between them, in simulated time: loss, reordering, and middleboxes that strip options. */
import { SOCK_OPS_EVENTS } from "../../compiler/bpf/kinds/sock-ops.ts";
import { htons } from "../dsl/index.ts";
import { hostOrder } from "../dsl/network-order.ts";
import { freshFields, type ConnectionFields } from "./connection.ts";
import { deliver } from "./deliver.ts";
import { createDice } from "./dice.ts";
import { createEndpoint, type Endpoint, type Packet, type Wire } from "./endpoint.ts";
import { eachOption } from "./header-options.ts";
import { nanoseconds, pass } from "./host.ts";
import {
  FLAGS,
  handshakeDone,
  kernelOptions,
  requestAccepted,
  requestArrives,
  segmentArrives,
  stateChanges,
  synIsForgotten,
  synIsGone,
} from "./hooks.ts";
import { forgetSocket } from "./mptcp.ts";
import { behind, type ProgramView } from "./program-view.ts";

export interface Segment {
  readonly from: "client" | "server";
  readonly syn: boolean;
  readonly ack: boolean;
  readonly fin: boolean;
  readonly payload: number;
  readonly options: Uint8Array;
  readonly at: number;
  readonly fate: Fate;
}
export type Fate = "delivered" | "lost" | "stripped" | "duplicated" | "rewritten" | "reset";
type Treatment = "drop" | "reset" | "duplicate" | { readonly options: Uint8Array | readonly number[] };
export interface PathOptions {
  readonly delayMs?: number;
  readonly loss?: number;
  readonly reorder?: number;
  readonly strip?: readonly number[] | true;
  readonly pass?: (segment: Omit<Segment, "fate">) => boolean;
  readonly middlebox?: (segment: Omit<Segment, "fate">) => Treatment | undefined | void;
  readonly synCookies?: boolean;
  readonly seed?: number;
}
export interface NetworkView {
  readonly client: ProgramView;
  readonly server: ProgramView;
  open(): void;
  transfer(from: "client" | "server", bytes: number): void;
  close(): void;
  readonly now: number;
  readonly segments: readonly Segment[];
}

/** A header has 60 bytes, 20 of them without options. */
const MOST_OPTION_BYTES = 40;
/** Events of one transfer: far above any real one, so that a model that goes in circles ends. */
const MOST_EVENTS = 500_000;
const SYN_RETRIES = 6;
/** Initial sequence numbers. */
const ISN = { client: 1_000_000, server: 2_000_000 } as const;

function createQueue() {
  let now = 0;
  let turn = 0;
  let waiting: { readonly at: number; readonly turn: number; readonly run: () => void }[] = [];
  return {
    now: () => now,
    after(delay: number, run: () => void): void {
      waiting.push({ at: now + delay, turn: turn++, run });
    },
    /** Runs until `done` or until nothing is left; false if it had to stop. */
    run(done: () => boolean, moved: (now: number) => void): boolean {
      for (let count = 0; count < MOST_EVENTS; count++) {
        if (done() || waiting.length === 0) return true;
        const next = waiting.reduce((first, one) =>
          one.at < first.at || (one.at === first.at && one.turn < first.turn) ? one : first,
        );
        waiting = waiting.filter((one) => one !== next);
        now = next.at;
        moved(now);
        next.run();
      }
      return false;
    },
  };
}

const without = (options: Uint8Array, strip: NonNullable<PathOptions["strip"]>): Uint8Array =>
  Uint8Array.from(
    [...eachOption(options)]
      .filter(({ kind }) => strip !== true && !strip.includes(kind))
      .flatMap(({ bytes }) => [...bytes]),
  );

/** Mirrors the addresses, except for one that the test gave the server's peer. */
function mirrored(
  client: ConnectionFields,
  server: ConnectionFields,
): readonly [client: Partial<ConnectionFields>, server: Partial<ConnectionFields>] {
  // IPv6 addresses are the client's alone, as a server has none of its own before it hears from one.
  const six =
    client.remoteIp6 === undefined
      ? {}
      : { localIp6: client.remoteIp6, ...(client.localIp6 === undefined ? {} : { remoteIp6: client.localIp6 }) };
  const peer = server.remoteIp4 === freshFields().remoteIp4 ? client.localIp4 : server.remoteIp4;
  return [
    { ...client, localIp4: peer },
    {
      ...server,
      ...six,
      localIp4: client.remoteIp4,
      remoteIp4: peer,
      localPort: Number(hostOrder(16, client.remotePort) ?? 0n),
      remotePort: htons(client.localPort),
    },
  ];
}

export function connect(clientProgram: ProgramView, serverProgram: ProgramView, path: PathOptions = {}): NetworkView {
  const { delayMs = 10, loss = 0, reorder = 0, seed = 1 } = path;
  const fieldsOf = (view: ProgramView): ConnectionFields => {
    const found = behind(view);
    if (!found) throw new TypeError("connect() takes two programs that load() gave");
    return found.connection.fields;
  };
  const [clientFields, serverFields] = mirrored(fieldsOf(clientProgram), fieldsOf(serverProgram));
  const views = { client: clientProgram.on(clientFields), server: serverProgram.on(serverFields) };
  const queue = createQueue();
  const dice = createDice(seed);
  const segments: Segment[] = [];
  const hosts = new Set([views.client, views.server].map((view) => behind(view)!.loaded.host));
  let told = 0n;
  /** As much time passes on the hosts, beside what a test lets pass there. */
  const moved = (now: number): void => {
    const by = nanoseconds(now) - told;
    told += by;
    for (const host of hosts) pass(host, by);
  };

  let opened = false;
  let wasClosed = false;
  const wireOf = (from: "client" | "server"): Wire => ({
    now: queue.now,
    after: queue.after,
    send(packet) {
      const facts = {
        from,
        syn: (packet.flags & FLAGS.syn) !== 0,
        ack: (packet.flags & FLAGS.ack) !== 0,
        fin: (packet.flags & FLAGS.fin) !== 0,
        payload: packet.payload,
        options: packet.options,
        at: queue.now(),
      };
      const lost = dice() < loss || path.pass?.(facts) === false;
      const treated = (!lost && path.middlebox?.(facts)) || undefined;
      const rewritten = typeof treated === "object" ? Uint8Array.from(treated.options) : packet.options;
      if (rewritten.length > MOST_OPTION_BYTES)
        throw new RangeError(
          `a segment has at most ${MOST_OPTION_BYTES} bytes of options, the middlebox gives ${rewritten.length}`,
        );
      const options = path.strip === undefined ? rewritten : without(rewritten, path.strip);
      const fate: Fate =
        lost || treated === "drop"
          ? "lost"
          : treated === "reset"
            ? "reset"
            : options.length < rewritten.length
              ? "stripped"
              : treated === undefined
                ? "delivered"
                : treated === "duplicate"
                  ? "duplicated"
                  : "rewritten";
      segments.push({ ...facts, fate });
      const late = dice() < reorder ? delayMs * 3 * dice() : 0;
      const arrive = (): void => receive(from === "client" ? "server" : "client", { ...packet, options });
      if (fate === "reset") return queue.after(delayMs, reset);
      if (fate === "lost") return;
      for (let copy = 0; copy < (fate === "duplicated" ? 2 : 1); copy++) queue.after(delayMs + late, arrive);
    },
  });
  const end = (side: "client" | "server"): Endpoint => {
    const { loaded, connection } = behind(views[side])!;
    return createEndpoint(loaded, connection, wireOf(side));
  };
  const ends = { client: end("client"), server: end("server") };

  const handshake = { synSentAt: 0, synAckSentAt: 0, tries: 0 };
  const update = (side: "client" | "server", fields: Partial<ConnectionFields>): void => {
    const { connection } = ends[side];
    connection.fields = { ...connection.fields, ...fields };
  };
  const established = (side: "client" | "server", packet: Packet, sentAt: number | undefined): void => {
    const one = ends[side];
    const own = ISN[side] + 1;
    const peers = ISN[side === "client" ? "server" : "client"] + 1;
    // A SYN counts as a byte that was acknowledged, a SYN-ACK does not: its socket is made by the answer to it.
    if (side === "client") update(side, { bytesAcked: 1n, packetsOut: 0, sndNxt: own, sndUna: own });
    else update(side, { state: "synRecv", sndNxt: own, sndUna: own, rcvNxt: peers });
    if (sentAt !== undefined) one.measured(queue.now() - sentAt);
    update(side, { rcvNxt: peers });
    one.noted(`established ${side}`, (entry) => {
      const options = Uint8Array.from([...kernelOptions(packet.flags), ...packet.options]);
      const { flags, payload } = packet;
      handshakeDone(
        one.loaded,
        one.connection,
        side,
        { flags, payload, seq: (peers + packet.seq) >>> 0 },
        options,
        entry,
      );
    });
  };
  const op = SOCK_OPS_EVENTS;
  const request = (number: number, title: string): void => {
    const { loaded, connection } = ends.server;
    ends.server.noted(title, (entry) => void deliver(loaded, connection, { op: number, fullSocket: false }, entry));
  };
  const receive = (side: "client" | "server", packet: Packet): void => {
    if (wasReset) return;
    const one = ends[side];
    if (packet.flags & FLAGS.syn) {
      if (side === "server") {
        handshake.synAckSentAt = queue.now();
        const { synCookies } = path;
        const answer = (): void => one.emit(FLAGS.syn | FLAGS.ack, 0, undefined, synCookies ? "cookie" : "request");
        if (synCookies) {
          // Each SYN is as good as the first: nobody remembers it, and no timer waits for its answer.
          update("server", { state: "newSynRecv" });
          request(op.ReceiveWindowInit.op, "chooses a receive window");
          requestArrives(one.connection, packet.options, answer);
          synIsForgotten(one.connection);
        } else if (one.connection.fields.state === "newSynRecv") {
          // There is a request already: its SYN-ACK is sent again (tcp_check_req).
          synIsGone(one.connection);
          answer();
        } else {
          update("server", { state: "newSynRecv" });
          request(op.ReceiveWindowInit.op, "chooses a receive window");
          request(op.TimeoutInit.op, "chooses a time-out");
          requestArrives(one.connection, packet.options, answer);
        }
        request(op.NeedsEcn.op, "asks for ECN");
      } else {
        if (!one.connection.open) established("client", packet, handshake.synSentAt);
        one.emit(FLAGS.ack, 0);
      }
      return;
    }
    if (side === "server" && !one.connection.open) {
      // A new socket, to which nothing is attached yet but what it inherits.
      requestAccepted(one.loaded, one.connection);
      // When a cookie was sent nobody knows.
      established("server", packet, path.synCookies ? undefined : handshake.synAckSentAt);
      if (packet.payload === 0) return;
      // The handshake's event saw this segment's options already; its data is still to be taken.
      return one.arrive({ ...packet, options: new Uint8Array() });
    }
    if (one.connection.open) one.arrive(packet);
  };
  /** Both ends get a RST that neither has sent (tcp_reset). */
  let wasReset = false;
  const reset = (): void => {
    wasReset = true;
    for (const side of ["client", "server"] as const) {
      const one = ends[side];
      if (one.connection.open)
        one.noted("is reset", (entry) => stateChanges(one.loaded, one.connection, "close", entry));
      one.connection.open = false;
      one.giveUp();
      forgetSocket(one.loaded, one.connection);
    }
  };
  const sendSyn = (): void => {
    if (wasReset || ends.client.connection.open || handshake.tries++ > SYN_RETRIES) return;
    handshake.synSentAt = queue.now();
    // It takes a number of its own, like a byte of data; the second one takes the same.
    ends.client.emit(FLAGS.syn, 0, handshake.tries === 1 ? 0 : -1);
    update("client", { sndNxt: ISN.client + 1 });
    queue.after(1000 * 2 ** (handshake.tries - 1), sendSyn);
  };
  const both = (): boolean => ends.client.connection.open && ends.server.connection.open;
  const event = (side: "client" | "server", number: number, title: string): void =>
    ends[side].noted(title, (entry) => void deliver(ends[side].loaded, ends[side].connection, { op: number }, entry));

  const network: NetworkView = {
    ...views,
    segments,
    get now() {
      return queue.now();
    },
    open() {
      if (wasClosed) throw new Error("the connection is closed: nothing is sent on it any more");
      if (opened) return;
      opened = true;
      ends.server.connection.fields = { ...ends.server.connection.fields, state: "listen" };
      event("server", SOCK_OPS_EVENTS.TcpListen.op, "listens");
      update("client", { state: "synSent" });
      event("client", op.TcpConnect.op, "connects");
      event("client", op.ReceiveWindowInit.op, "chooses a receive window");
      update("client", { sndNxt: ISN.client, sndUna: ISN.client });
      event("client", op.TimeoutInit.op, "chooses a time-out");
      update("client", { packetsOut: 1 });
      event("client", op.NeedsEcn.op, "asks for ECN");
      sendSyn();
      queue.run(() => wasReset || both(), moved);
      // A third ACK that is lost is made up for by the client's next segment: see transfer.
      if (wasReset) throw new Error("the connection was reset while it was made");
      if (!ends.client.connection.open)
        throw new Error(`the handshake failed: no SYN came through in ${handshake.tries} tries`);
    },
    transfer(from, bytes) {
      network.open();
      if (wasReset) throw new Error("the connection was reset");
      const one = ends[from];
      if (from === "server" && !ends.server.connection.open)
        throw new Error("the server cannot send: the client's third ACK was lost and nothing followed it");
      one.offer(bytes);
      const settled = (): boolean => one.done;
      if (!queue.run(settled, moved)) throw new Error("the transfer does not come to an end");
    },
    close() {
      // Twice, or before it is made, there is nothing to be closed.
      const isOver = wasReset || wasClosed || !opened;
      wasClosed = true;
      if (isOver) return;
      const change = (side: "client" | "server", to: ConnectionFields["state"]): void =>
        ends[side].noted(`state ${to}`, (entry) => stateChanges(ends[side].loaded, ends[side].connection, to, entry));
      const next = (n: number): number => (n + 1) >>> 0;
      /** Sends a FIN; gives what programs wrote on it. */
      const finish = (side: "client" | "server"): Uint8Array => {
        ends[side].emit(FLAGS.fin | FLAGS.ack, 0);
        const { fields } = ends[side].connection;
        update(side, { sndNxt: next(fields.sndNxt), packetsOut: 1 });
        return segments.at(-1)!.options;
      };
      const arrives = (side: "client" | "server", flags: number, written: Uint8Array): void =>
        ends[side].noted("receives a segment", (entry) => {
          const options = Uint8Array.from([...kernelOptions(FLAGS.ack), ...written]);
          segmentArrives(ends[side].loaded, ends[side].connection, { flags, payload: 0 }, options, entry);
        });
      /** The peer's FIN is taken, and one's own was acknowledged. */
      const taken = (side: "client" | "server"): void => {
        const { fields } = ends[side].connection;
        update(side, { rcvNxt: next(fields.rcvNxt), bytesReceived: fields.bytesReceived + 1n });
      };
      const acknowledged = (side: "client" | "server"): void => {
        const { fields } = ends[side].connection;
        update(side, { sndUna: next(fields.sndUna), bytesAcked: fields.bytesAcked + 1n, packetsOut: 0 });
        ends[side].measured(2 * delayMs);
      };
      const over = (side: "client" | "server"): void => {
        change(side, "close");
        ends[side].connection.open = false;
        forgetSocket(ends[side].loaded, ends[side].connection);
      };
      change("client", "finWait1");
      const first = finish("client");
      arrives("server", FLAGS.fin | FLAGS.ack, first);
      taken("server");
      change("server", "closeWait");
      // The application closes at once: its FIN acknowledges the client's.
      change("server", "lastAck");
      const second = finish("server");
      arrives("client", FLAGS.fin | FLAGS.ack, second);
      acknowledged("client");
      change("client", "finWait2");
      taken("client");
      ends.client.emit(FLAGS.ack, 0);
      const last = segments.at(-1)!.options;
      // What waits in TIME_WAIT is no full socket any more, and programs are told that this one is closed.
      over("client");
      arrives("server", FLAGS.ack, last);
      acknowledged("server");
      over("server");
    },
  };
  return network;
}
