/**
 * Netlink: messages and attributes as bytes (Documentation/userspace-api/netlink/intro.rst), and a socket that asks, dumps
 * and listens. Integers are in host order (little-endian on every machine we run on) unless a protocol says otherwise.
 */
import { closeFd } from "../kernel/fd.ts";
import { failed, RuntimeError } from "../kernel/errors.ts";
import { inNetns } from "../kernel/places.ts";
import { syscalls, type Watch } from "../kernel/syscalls.ts";

const AF_NETLINK = 16;
const SOCK_RAW_CLOEXEC_NONBLOCK = 3 | 0x80000 | 0x800;
const SOL_NETLINK = 270;
const NETLINK_ADD_MEMBERSHIP = 1;
const NETLINK_EXT_ACK = 11;
const SOL_SOCKET = 1;
const SO_RCVBUFFORCE = 33;
const MSG_DONTWAIT = 0x40;
const ENOBUFS = -105;

export const NETLINK = { route: 0, sockDiag: 4, generic: 16 } as const;
export const FLAG = { request: 1, ack: 4, dump: 0x300 } as const;
const TYPE = { error: 2, done: 3 } as const;
const HEADER = 16;
const align = (length: number): number => (length + 3) & ~3;

export interface Message {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  /** What follows the header. */
  readonly payload: Uint8Array;
}

/** Attribute number to bytes, nested attributes, or an integer with its width. */
export type Attribute = readonly [type: number, value: Uint8Array | AttributeList | IntegerValue];
export type AttributeList = readonly Attribute[];
export interface IntegerValue {
  readonly bits: 8 | 16 | 32;
  readonly value: number;
  /** Network byte order. */
  readonly network?: boolean;
}
export const u8 = (value: number): IntegerValue => ({ bits: 8, value });
export const u16 = (value: number): IntegerValue => ({ bits: 16, value });
export const u32 = (value: number): IntegerValue => ({ bits: 32, value: value >>> 0 });
const NESTED = 0x8000;

export function encodeAttributes(list: AttributeList): Uint8Array {
  const parts = list.map(([type, value]) => {
    const isBytes = value instanceof Uint8Array;
    const isList = Array.isArray(value);
    const body = isBytes ? value : isList ? encodeAttributes(value as AttributeList) : integer(value as IntegerValue);
    const bytes = new Uint8Array(align(4 + body.length));
    const view = new DataView(bytes.buffer);
    view.setUint16(0, 4 + body.length, true);
    view.setUint16(2, isList ? type | NESTED : type, true);
    bytes.set(body, 4);
    return bytes;
  });
  return concat(parts);
}

function integer({ bits, value, network = false }: IntegerValue): Uint8Array {
  const bytes = new Uint8Array(bits / 8);
  const view = new DataView(bytes.buffer);
  if (bits === 8) view.setUint8(0, value);
  else if (bits === 16) view.setUint16(0, value, !network);
  else view.setUint32(0, value, !network);
  return bytes;
}

/** Attributes by number; of a repeated one the last holds. What is cut off is left out. */
export function decodeAttributes(bytes: Uint8Array, offset = 0): Map<number, Uint8Array> {
  const found = new Map<number, Uint8Array>();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = offset; at + 4 <= bytes.length;) {
    const length = view.getUint16(at, true);
    if (length < 4 || at + length > bytes.length) break;
    found.set(view.getUint16(at + 2, true) & 0x3fff, bytes.subarray(at + 4, at + length));
    at += align(length);
  }
  return found;
}

export const readU8 = (bytes: Uint8Array | undefined): number | undefined => bytes?.[0];
export const readU16 = (bytes: Uint8Array | undefined, network = false): number | undefined =>
  bytes && bytes.length >= 2 ? new DataView(bytes.buffer, bytes.byteOffset, 2).getUint16(0, !network) : undefined;
export const readU32 = (bytes: Uint8Array | undefined): number | undefined =>
  bytes && bytes.length >= 4 ? new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true) : undefined;

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
export { concat };

/** The messages of one datagram. */
export function* decodeMessages(bytes: Uint8Array): Generator<Message> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + HEADER <= bytes.length;) {
    const length = view.getUint32(at, true);
    if (length < HEADER || at + length > bytes.length) return;
    yield {
      type: view.getUint16(at + 4, true),
      flags: view.getUint16(at + 6, true),
      sequence: view.getUint32(at + 8, true),
      payload: bytes.slice(at + HEADER, at + length),
    };
    at += align(length);
  }
}

const errnoOf = ({ payload }: Message): number =>
  payload.length < 4 ? 0 : new DataView(payload.buffer, payload.byteOffset).getInt32(0, true);

export interface NetlinkSocket {
  /** Sends a request with ACK and waits for the answer. Gives the replies, or the negative errno of the kernel. */
  request(type: number, payload: Uint8Array, flags?: number): readonly Message[] | number;
  /** Like `request`, for answers that are many: each is handed over and not kept. 0 or the negative errno. */
  dump(type: number, payload: Uint8Array, each: (message: Message) => void): number;
  /** Joins a multicast group by number. */
  join(group: number): void;
  /**
   * Calls back for every message that arrives unasked; `overrun` when the kernel had to drop some (ENOBUFS), after
   * what it did not drop.
   */
  listen(receive: (message: Message) => void, overrun: () => void): Watch;
  close(): void;
}

/** Bytes of events that the kernel keeps for us: they come in bursts, and what does not fit is lost. */
const RECEIVE_BUFFER = 8 << 20;
/** Messages handed over before other work of the process gets its turn. */
const TURN = 1000;

/** Opens a netlink socket, inside a network namespace when one is named. */
export function openNetlink(protocol: number, netns?: string, receiveBuffer = RECEIVE_BUFFER): NetlinkSocket {
  const calls = syscalls();
  const fd = inNetns(netns, () => calls.socket(AF_NETLINK, SOCK_RAW_CLOEXEC_NONBLOCK, protocol));
  if (fd < 0) throw failed("netlink", "opening a netlink socket", fd);
  const address = new Uint8Array(12);
  new DataView(address.buffer).setUint16(0, AF_NETLINK, true);
  const bound = calls.bind(fd, address);
  if (bound < 0) {
    closeFd(fd);
    throw failed("netlink", "binding a netlink socket", bound);
  }
  const one = new Uint8Array([1, 0, 0, 0]);
  calls.setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, one);
  // Needs CAP_NET_ADMIN; else the default stays.
  calls.setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, new Uint8Array(new Uint32Array([receiveBuffer]).buffer));
  const buffer = new Uint8Array(1 << 16);
  let sequence = 0;
  let watch: Watch | undefined;
  let receive: ((message: Message) => void) | undefined;

  const ask = (type: number, payload: Uint8Array, flags: number, each: (message: Message) => void): number => {
    const own = ++sequence;
    const bytes = new Uint8Array(HEADER + payload.length);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, bytes.length, true);
    view.setUint16(4, type, true);
    view.setUint16(6, flags, true);
    view.setUint32(8, own, true);
    bytes.set(payload, HEADER);
    const sent = calls.send(fd, bytes);
    if (sent < 0) return sent;
    // The kernel answers before send returns, except for dumps, whose parts come as they are read.
    for (let empty = 0; ;) {
      const length = calls.receive(fd, buffer, MSG_DONTWAIT);
      if (length === -11) {
        if (++empty > 10_000) return -110;
        continue;
      }
      if (length < 0) return length;
      empty = 0;
      for (const message of decodeMessages(buffer.subarray(0, length))) {
        if (message.sequence !== own) {
          receive?.(message);
          continue;
        }
        // A dump that fails on the way says so where it ends.
        if (message.type === TYPE.done || message.type === TYPE.error) return errnoOf(message);
        each(message);
        // Asked for one thing without an acknowledgement, the kernel says nothing after it.
        if ((flags & (FLAG.ack | FLAG.dump)) === 0) return 0;
      }
    }
  };

  return {
    request(type, payload, flags = FLAG.request | FLAG.ack) {
      const replies: Message[] = [];
      const errno = ask(type, payload, flags, (message) => void replies.push(message));
      return errno === 0 ? replies : errno;
    },
    dump: (type, payload, each) => ask(type, payload, FLAG.request | FLAG.dump, each),
    join(group) {
      const value = new Uint8Array(new Uint32Array([group]).buffer);
      const result = calls.setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, value);
      if (result < 0) throw failed("netlink", `joining netlink group ${group}`, result);
    },
    listen(each, overrun) {
      if (watch) throw new RuntimeError("netlink", "this netlink socket has a listener already");
      receive = each;
      let lost = false;
      watch = calls.watch(fd, () => {
        for (let turn = 0; turn < TURN; turn++) {
          const length = calls.receive(fd, buffer, MSG_DONTWAIT);
          if (length === ENOBUFS) {
            lost = true;
            continue;
          }
          if (length <= 0) break;
          // The callback may ask on another socket; the bytes are copied per message.
          for (const message of [...decodeMessages(buffer.subarray(0, length))]) each(message);
        }
        // What was lost is asked for when all that was not is known.
        if (lost) overrun();
        lost = false;
      });
      return watch;
    },
    close() {
      watch?.close();
      closeFd(fd);
    },
  };
}
