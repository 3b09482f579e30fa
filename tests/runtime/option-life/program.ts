/** An option that writes on every segment what it was told of it, and keeps a record of which handler ran; and what a capture shows of that. */
import { TCP_FLAGS } from "../../../compiler/bpf/kinds/sock-ops.ts";
import type { LoadedObject } from "../../../runtime/api.ts";
import type { Segment } from "../capture.ts";

export const KIND = 100;
const MOST_EVENTS = 512;
export const HANDLERS = [
  "connecting",
  "listening",
  "established client",
  "established server",
  "length",
  "write",
  "parse",
] as const;
export type Handler = (typeof HANDLERS)[number];
const number = (handler: Handler): number => HANDLERS.indexOf(handler) + 1;

const FLAGS = `u8(${(["fin", "syn", "rst", "psh", "ack"] as const).map((name) => `(segment.${name} ? ${TCP_FLAGS[name]} : 0)`).join(" | ")})`;

/** `cookies`: whether the kernel tells a SYN cookie. */
export const lifeSource = (cookies: boolean): string => `
import { ArrayMap, be16, htons, license, min, struct, u16, u32, u8 } from "tsbpf";
import { tcpOption, type OptionConn } from "tsbpf/tcp";
license("GPL");
class Told extends struct({ flags: u8, again: u8, payload: be16, syn: u8, cookie: u8 }) {}
class Event extends struct({ handler: u8, flags: u8, again: u8, syn: u8, payload: u32, option: u8, request: u8 }) {}
export const events = new ArrayMap({ value: Event, maxEntries: ${MOST_EVENTS} });
export const many = new ArrayMap({ value: u32, maxEntries: 1 });
const note = (handler: u32, conn: OptionConn): Event | undefined => {
  const count = many.ref(0);
  if (!count) return undefined;
  const event = events.get(count.value);
  count.value += 1;
  if (!event) return undefined;
  event.handler = u8(handler);
  event.request = conn.sndNxt === 0 ? 1 : 0;
  return event;
};
const noteSyn = (handler: u32, conn: OptionConn): void => {
  const event = note(handler, conn);
  const syn = conn.synOption(${KIND}, Told);
  if (event && syn) event.syn = syn.flags | 0x80;
};
export const life = tcpOption({
  kind: ${KIND},
  payload: Told,
  connecting(conn) {
    note(${number("connecting")}, conn);
    conn.startWriting();
  },
  listening(conn) {
    note(${number("listening")}, conn);
    conn.startWriting();
    conn.setSockOpt("TCP_SAVE_SYN", 1);
  },
  established(conn, side) {
    if (side === "client") noteSyn(${number("established client")}, conn);
    else noteSyn(${number("established server")}, conn);
  },
  length(conn, segment) {
    const event = note(${number("length")}, conn);
    if (event) {
      event.flags = ${FLAGS};
      event.payload = segment.payload;
    }
    return 6;
  },
  write(conn, option, segment) {
    const flags = ${FLAGS};
    option.flags = flags;
    option.again = segment.retransmitted ? 1 : 0;
    option.payload = htons(u16(min(segment.payload, 65535)));
    ${cookies ? "option.cookie = segment.cookie ? 1 : 0;" : ""}
    const event = note(${number("write")}, conn);
    if (event) {
      event.flags = flags;
      event.payload = segment.payload;
      event.again = option.again;
    }
    if (!segment.syn || !segment.ack) return;
    const syn = conn.synOption(${KIND}, Told);
    if (syn) option.syn = syn.flags | 0x80;
  },
  parse(conn, option, segment) {
    const event = note(${number("parse")}, conn);
    if (!event) return;
    event.flags = ${FLAGS};
    event.payload = segment.payload;
    event.again = segment.retransmitted ? 1 : 0;
    event.option = option.flags;
    event.syn = option.syn;
  },
});
`;
const { syn, ack, fin, rst } = TCP_FLAGS;
/** A handler that ran: what it was told of the segment; of `parse`, what the option on it says. */
export interface Event {
  readonly handler: Handler;
  readonly flags: number;
  readonly payload: number;
  readonly again: boolean;
  /** 0x80 and the flags of the SYN: what `synOption` gives in `established`; in `parse`, what it gave the writer of a SYN-ACK. */
  readonly syn: number;
  readonly option: number;
  /** The connection has no numbers yet. */
  readonly isRequest: boolean;
}
export function eventsOf(object: LoadedObject): readonly Event[] {
  const count = Number(object.maps["many"]!.get(0));
  if (count > MOST_EVENTS) throw new Error(`${count} handlers ran: more than ${MOST_EVENTS}`);
  return Array.from({ length: count }, (_, index) => {
    const { handler, again, request, ...rest } = object.maps["events"]!.get(index) as unknown as Record<
      "handler" | "flags" | "payload" | "again" | "syn" | "option" | "request",
      number
    >;
    return { ...rest, handler: HANDLERS[handler - 1]!, again: again === 1, isRequest: request === 1 };
  });
}

/** What a segment says that the program was told of it. */
export interface Told {
  readonly flags: number;
  readonly again: boolean;
  readonly payload: number;
  readonly syn: number;
  readonly cookie: boolean;
}
export const optionOf = (segment: Segment, kind = KIND): string | undefined =>
  segment.options.find((one) => one.kind === kind)?.hex;
export const toldOf = (segment: Segment): Told | undefined => {
  const hex = optionOf(segment);
  if (hex === undefined) return undefined;
  const bytes = Buffer.from(hex, "hex");
  return {
    flags: bytes[2]!,
    again: bytes[3] === 1,
    payload: bytes.readUInt16BE(4),
    syn: bytes[6]!,
    cookie: bytes[7] === 1,
  };
};
export const flagsOf = (one: Segment): number =>
  (one.fin ? fin : 0) | (one.syn ? syn : 0) | (one.rst ? rst : 0) | (one.ack ? ack : 0);
