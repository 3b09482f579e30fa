/** When the kernel calls programs for a TCP segment, on each target: net/ipv4/tcp_{input,output}.c, and the patched kernel's. */
import { TCP_STATES, type TcpStateName } from "../../compiler/bpf/tcp-states.ts";
import {
  SOCK_OPS_CALLBACKS,
  SOCK_OPS_EVENTS,
  TCP_FLAGS as FLAGS,
  WRITE_HEADER,
} from "../../compiler/bpf/kinds/sock-ops.ts";
import { hostOrder } from "../dsl/network-order.ts";
import { has } from "../../compiler/bpf/kernels.ts";
import type { Connection } from "./connection.ts";
import type { Loaded } from "./call.ts";
import { allOf, deliver, deliverTo, type Delivered, type KernelEvent } from "./deliver.ts";
import { eachOption, isKnown, padded, TCP_HEADER, type FoundOption, type OptionRoom } from "./header-options.ts";
import type { HistoryEntry } from "./history.ts";
import { acceptSocket } from "./mptcp.ts";

export { TCP_FLAGS as FLAGS } from "../../compiler/bpf/kinds/sock-ops.ts";

export interface SegmentFacts {
  readonly flags: number;
  /** Payload, in bytes. */
  readonly payload: number;
  /** As in the header. Absent: what is to be sent, or expected, next. */
  readonly seq?: number;
  /** It answers a SYN, for a request socket. */
  readonly request?: boolean;
  /** That answer is a SYN cookie. */
  readonly cookie?: boolean;
}

/** Bytes of options in a header, at most (RFC 9293). */
const OPTION_SPACE = 40;
const op = SOCK_OPS_EVENTS;
const bit = SOCK_OPS_CALLBACKS;

/** Options that the kernel itself writes: MSS, SACK, timestamps and window scale on a SYN; timestamps afterwards. */
export function kernelOptions(flags: number): Uint8Array {
  const stamps = [8, 10, 0, 0, 0, 1, 0, 0, 0, 0];
  if (flags & FLAGS.syn) return Uint8Array.from([2, 4, 0x05, 0xb4, 4, 2, ...stamps, 1, 3, 3, 7]);
  return Uint8Array.from([1, 1, ...stamps]);
}

/** A TCP header with these options, as the sender (`out`) or the receiver sees it. */
export function header(connection: Connection, segment: SegmentFacts, options: Uint8Array, out: boolean): Uint8Array {
  const { localPort, remotePort, sndNxt, rcvNxt } = connection.fields;
  const remote = Number(hostOrder(16, remotePort) ?? 0n);
  const full = padded(options);
  const bytes = new Uint8Array(TCP_HEADER + full.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, out ? localPort : remote);
  view.setUint16(2, out ? remote : localPort);
  view.setUint32(4, segment.seq ?? (out ? sndNxt : rcvNxt));
  view.setUint32(8, out ? rcvNxt : sndNxt);
  bytes[12] = (bytes.length / 4) << 4;
  bytes[13] = segment.flags;
  view.setUint16(14, 65535);
  bytes.set(full, TCP_HEADER);
  return bytes;
}

type Run = (event: KernelEvent) => Delivered;
const runner =
  (loaded: Loaded, connection: Connection, entry: HistoryEntry): Run =>
  (event) =>
    deliver(loaded, connection, event, entry);

/** With data and with FIN, the MSS is computed first, for which programs are asked too. */
const computesMss = (segment: SegmentFacts): boolean => segment.payload > 0 || (segment.flags & FLAGS.fin) !== 0;

/** Mainline: length hook (also once for the MSS, without a segment), then write hook. What programs wrote. */
function writeMainline(connection: Connection, segment: SegmentFacts, run: Run): Uint8Array {
  if (!(connection.callbacks & bit.WriteOption.bit)) return new Uint8Array();
  const own = kernelOptions(segment.flags);
  const space = OPTION_SPACE - own.length;
  const kind = segment.cookie ? WRITE_HEADER.synAckCookie : 0;
  const length = (probe: boolean): number => {
    const room: OptionRoom = { written: own, remaining: space };
    const packet = probe ? {} : { packet: header(connection, segment, new Uint8Array(), true) };
    run({
      op: op.HeaderOptionLength.op,
      // BPF_WRITE_HDR_TCP_CURRENT_MSS
      args: [probe ? 1 : kind, 0, 0, 0],
      fullSocket: !segment.request,
      room,
      mayReserve: true,
      payload: segment.payload,
      ...packet,
    });
    return space - room.remaining;
  };
  if (computesMss(segment)) length(true);
  const reserved = Math.min(space, Math.ceil(length(false) / 4) * 4);
  if (reserved === 0) return new Uint8Array();
  const room: OptionRoom = { written: own, remaining: reserved };
  const packet = header(connection, segment, own, true);
  const fullSocket = !segment.request;
  const args = [kind, 0, 0, 0];
  run({ op: op.WriteHeaderOption.op, args, fullSocket, room, mayStore: true, packet, payload: segment.payload });
  return room.written.slice(own.length);
}

/** How many of the bytes are whole options: the patched kernel sends no others. */
function wholeOptions(bytes: Uint8Array): number {
  let at = 0;
  for (; at < bytes.length && bytes[at] !== 0;) {
    if (bytes[at] === 1) {
      at++;
      continue;
    }
    const length = bytes[at + 1] ?? 0;
    if (length < 2 || at + length > bytes.length) break;
    at += length;
  }
  return at;
}

/** An option of the same kind (of a shared kind with the same id) in front of it: the patched kernel sends only the first. */
const repeats = (options: Uint8Array, before: Uint8Array): boolean => {
  const name = ({ kind, bytes }: FoundOption): string => (kind >= 253 ? `${kind} ${bytes[2]} ${bytes[3]}` : `${kind}`);
  const there = new Set([...eachOption(before)].map(name));
  return [...eachOption(options)].some((one) => there.has(name(one)));
};

/** The patched kernel: size, then bytes, both through the reply, of each program for itself. */
function writePatched(loaded: Loaded, connection: Connection, segment: SegmentFacts, entry: HistoryEntry): Uint8Array {
  if (!(connection.callbacks & bit.TcpOptions.bit)) return new Uint8Array();
  const own = kernelOptions(segment.flags);
  const packet = header(connection, segment, own, true);
  const fullSocket = !segment.request;
  const programs = allOf(loaded);
  /** What each program is granted, as long as there is room. */
  const sizes = (withPacket: boolean): readonly number[] => {
    let used = own.length;
    return programs.map((program) => {
      const event: KernelEvent = {
        op: op.OptionsSize.op,
        args: [0, used, 0, 0],
        payload: segment.payload,
        fullSocket,
        ...(withPacket ? { packet } : {}),
      };
      const { reply } = deliverTo(program, connection, event, entry);
      const room = Math.ceil(reply / 4) * 4;
      const granted = reply > 0 && reply <= 16 && room <= OPTION_SPACE - used ? room : 0;
      used += granted;
      return granted;
    });
  };
  if (computesMss(segment)) sizes(false);
  const granted = sizes(true);
  if (granted.every((bytes) => bytes === 0)) return new Uint8Array();
  let written = new Uint8Array();
  for (const [index, program] of programs.entries()) {
    const args = [0, granted[index]!, 0, 0];
    const event: KernelEvent = { op: op.OptionsWrite.op, args, fullSocket, packet, payload: segment.payload };
    const { returned, replyBytes } = deliverTo(program, connection, event, entry);
    const bytes = returned === 1 ? replyBytes.slice(0, granted[index]) : new Uint8Array();
    const options = bytes.slice(0, wholeOptions(bytes));
    if (options.length > 0 && !repeats(options, written)) written = Uint8Array.from([...padded(written), ...options]);
  }
  return written;
}

/** A segment leaves: the bytes of the options that programs put on it, or undefined if they put none. */
export function segmentLeaves(
  loaded: Loaded,
  connection: Connection,
  segment: SegmentFacts,
  entry: HistoryEntry,
): Uint8Array | undefined {
  const bytes = has(loaded.machine.kernel, "tcp-option-events")
    ? writePatched(loaded, connection, segment, entry)
    : writeMainline(connection, segment, runner(loaded, connection, entry));
  const { fields } = connection;
  if (segment.request) return bytes.length > 0 ? bytes : undefined;
  connection.fields = {
    ...fields,
    segsOut: fields.segsOut + 1,
    dataSegsOut: fields.dataSegsOut + (segment.payload > 0 ? 1 : 0),
  };
  return bytes.length > 0 ? bytes : undefined;
}

export const countArrival = (connection: Connection, segment: SegmentFacts): void => {
  const { fields } = connection;
  connection.fields = {
    ...fields,
    segsIn: fields.segsIn + 1,
    dataSegsIn: fields.dataSegsIn + (segment.payload > 0 ? 1 : 0),
  };
};
/** Data is taken after programs have seen the segment's options. */
const takeData = (connection: Connection, segment: SegmentFacts): void => {
  const { fields } = connection;
  // What came before, in a copy of a segment, is not received again.
  const known =
    segment.seq === undefined ? 0 : Math.min(Math.max((fields.rcvNxt - segment.seq) | 0, 0), segment.payload);
  connection.fields = { ...fields, bytesReceived: fields.bytesReceived + BigInt(segment.payload - known) };
};

/** The patched kernel tells of each option it does not know, by itself. */
function parsePatched(options: Uint8Array, run: Run, segment: Pick<KernelEvent, "packet" | "payload">): void {
  for (const { kind, bytes } of eachOption(options)) {
    if (isKnown(kind)) continue;
    const data = new Uint8Array(16);
    data.set(bytes.subarray(0, 16));
    const first = new DataView(data.buffer).getUint32(0, true);
    run({ op: op.ParseOptions.op, args: [kind, bytes.length, first, 0], optionData: data, ...segment });
  }
}

/** A segment of an established connection arrives, with all its options. */
export function segmentArrives(
  loaded: Loaded,
  connection: Connection,
  segment: SegmentFacts,
  options: Uint8Array,
  entry: HistoryEntry,
): void {
  const run = runner(loaded, connection, entry);
  countArrival(connection, segment);
  const unknown = [...eachOption(options)].some(({ kind }) => !isKnown(kind));
  const wanted =
    connection.callbacks & bit.ParseAllOptions.bit || (unknown && connection.callbacks & bit.ParseUnknownOptions.bit);
  const packet = header(connection, segment, options, false);
  // The patched kernel has mainline's event as well.
  if (wanted) run({ op: op.ParseHeaderOption.op, packet, payload: segment.payload });
  if (has(loaded.machine.kernel, "tcp-option-events")) parsePatched(options, run, { packet, payload: segment.payload });
  takeData(connection, segment);
}

/** A SYN with these options comes to a listener, which sends its answer while the SYN is at hand. */
export function requestArrives<Answer>(connection: Connection, options: Uint8Array, answer: () => Answer): Answer {
  const syn = Uint8Array.from([...kernelOptions(FLAGS.syn), ...options]);
  connection.savedSyn = header(connection, { flags: FLAGS.syn, payload: 0 }, syn, false);
  return answer();
}

/** The SYN-ACK is on its way, or is sent again: only a SYN that the listener saves is still at hand. */
export function synIsGone(connection: Connection): void {
  if (Number(connection.sockOpts["TCP_SAVE_SYN"] ?? 0) === 0) delete connection.savedSyn;
}

/** The answer is a SYN cookie: of this SYN nothing is remembered, whatever the listener saves. */
export function synIsForgotten(connection: Connection): void {
  delete connection.savedSyn;
}

/** The request becomes a connection of its own: of the SYN it keeps what its listener saves. */
export function requestAccepted(loaded: Loaded, connection: Connection): void {
  acceptSocket(loaded, connection);
  synIsGone(connection);
}

/** The handshake is over, by this segment: the SYN-ACK for a client, the third ACK (or data) for a server. */
export function handshakeDone(
  loaded: Loaded,
  connection: Connection,
  side: "client" | "server",
  segment: SegmentFacts,
  options: Uint8Array,
  entry: HistoryEntry,
): void {
  const run = runner(loaded, connection, entry);
  countArrival(connection, segment);
  connection.side = side;
  connection.open = true;
  const packet = header(connection, segment, options, false);
  // A client is in its new state when the event comes, a server not yet (tcp_finish_connect, tcp_rcv_state_process).
  if (side === "client") stateChanges(loaded, connection, "established", entry);
  else connection.fields = { ...connection.fields, state: "synRecv" };
  run({ op: side === "client" ? op.ActiveEstablished.op : op.PassiveEstablished.op, packet, payload: segment.payload });
  if (has(loaded.machine.kernel, "tcp-option-events")) parsePatched(options, run, { packet, payload: segment.payload });
  if (side === "server") stateChanges(loaded, connection, "established", entry);
  if (segment.payload > 0) takeData(connection, segment);
}

/** A retransmission timer fired: RTO event where asked for, with its three arguments. */
export function timerFired(
  loaded: Loaded,
  connection: Connection,
  backoff: number,
  rtoMs: number,
  timedOut: boolean,
  entry: HistoryEntry,
): void {
  if (!(connection.callbacks & bit.Rto.bit)) return;
  runner(loaded, connection, entry)({ op: op.Rto.op, args: [backoff, rtoMs, timedOut ? 1 : 0, 0] });
}

/** The state changes: told before it does, where asked for. */
export function stateChanges(loaded: Loaded, connection: Connection, to: TcpStateName, entry: HistoryEntry): void {
  const from = connection.fields.state;
  if (connection.callbacks & bit.State.bit && from !== to)
    runner(loaded, connection, entry)({ op: op.State.op, args: [TCP_STATES[from], TCP_STATES[to], 0, 0] });
  connection.fields = { ...connection.fields, state: to };
}
