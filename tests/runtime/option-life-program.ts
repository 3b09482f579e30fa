/** An option that writes on every segment what it was told of it, and notes what arrives; and what a capture shows of that. */
import { TCP_FLAGS } from "../../compiler/bpf/kinds/sock-ops.ts";
import type { Segment } from "./capture.ts";

export const KIND = 100;
/** `cookies`: whether the kernel tells a SYN cookie. */
export const lifeSource = (cookies: boolean): string => `
import { ArrayMap, be16, htons, license, min, struct, u16, u32, u8 } from "tsbpf";
import { tcpOption, type ArrivingSegment, type LeavingSegment } from "tsbpf/tcp";
license("GPL");
class Told extends struct({ flags: u8, again: u8, payload: be16, syn: u8, cookie: u8 }) {}
class Seen extends struct({ count: u32, option: u8, again: u8, syn: u8 }) {}
export const seen = new ArrayMap({ value: Seen, maxEntries: 32 });
export const afterwards = new ArrayMap({ value: u32, maxEntries: 1 });
const leaves = (s: LeavingSegment): u32 => (s.fin ? 1 : 0) | (s.syn ? 2 : 0) | (s.rst ? 4 : 0) | (s.psh ? 8 : 0) | (s.ack ? 16 : 0);
const arrives = (s: ArrivingSegment): u32 => (s.fin ? 1 : 0) | (s.syn ? 2 : 0) | (s.rst ? 4 : 0) | (s.psh ? 8 : 0) | (s.ack ? 16 : 0);
export const life = tcpOption({
  kind: ${KIND},
  payload: Told,
  connecting(conn) { conn.startWriting(); },
  listening(conn) {
    conn.startWriting();
    conn.setSockOpt("TCP_SAVE_SYN", 1);
  },
  established(conn, side) {
    const syn = conn.synOption(${KIND}, Told);
    if (side === "server" && syn) afterwards.set(0, u32(syn.flags) + 0x100);
  },
  write(conn, option, segment) {
    option.flags = u8(leaves(segment));
    option.again = segment.retransmitted ? 1 : 0;
    option.payload = htons(u16(min(segment.payload, 65535)));
    ${cookies ? "option.cookie = segment.cookie ? 1 : 0;" : ""}
    if (!segment.syn || !segment.ack) return;
    const syn = conn.synOption(${KIND}, Told);
    if (syn) option.syn = syn.flags | 0x80;
  },
  parse(conn, option, segment) {
    const flags = arrives(segment);
    const one = seen.get(flags & 31);
    if (!one) return;
    one.count += 1;
    one.option = option.flags;
    if (segment.retransmitted) one.again = 1;
    one.syn |= option.syn;
  },
});
`;
const { syn, ack, fin, rst } = TCP_FLAGS;
export interface Seen {
  readonly count: number;
  readonly option: number;
  readonly again: number;
  readonly syn: number;
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
