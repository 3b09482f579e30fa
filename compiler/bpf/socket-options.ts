/** Socket options that a program may set or get: level, number, value, and what they need (include/uapi/linux/{tcp,bpf}.h). */
import type { Feature } from "./kernels.ts";

export const SOL_TCP = 6;

/** Values that the kernel takes; any other is -EINVAL. As an int: what is above 2^31 - 1 is negative. */
export interface ValueRange {
  readonly least: number;
  readonly most: number;
  /**
   * A time in microseconds, which the kernel rounds up to ticks of its clock (CONFIG_HZ a second): it must be this many at
   * least. `least` is then the shortest time that a kernel with 1000 ticks a second takes.
   */
  readonly ticks?: number;
}
export interface SocketOption {
  readonly level: number;
  readonly number: number;
  /** "u32": four bytes; "name": a string of at most 16 bytes. */
  readonly value: "u32" | "name";
  /** Of a number. */
  readonly takes?: ValueRange;
  readonly set: true;
  /** "refused": what the paper's kernel gave, and no kernel from 5.10 on gives. */
  readonly get?: true | "refused";
  /** Besides what the kind of program needs. */
  readonly needs?: Feature;
}

const INT_MAX = 0x7fff_ffff;
const MICROSECONDS = 1_000_000;
/** TCP_DELACK_MAX and TCP_RTO_MIN: a fifth of a second (include/net/tcp.h). */
const FIFTH = MICROSECONDS / 5;
/** TCP_TIMEOUT_MIN. */
const LEAST_TICKS = 2;
const MOST_HZ = 1000;
/** From the first microsecond of the second tick on. */
const timer: ValueRange = {
  least: ((LEAST_TICKS - 1) * MICROSECONDS) / MOST_HZ + 1,
  most: FIFTH,
  ticks: LEAST_TICKS,
};
/** 0 restores the default. */
const delay: ValueRange = { least: 0, most: FIFTH };

export const SOCKET_OPTIONS = {
  TCP_USER_TIMEOUT: {
    level: SOL_TCP,
    number: 18,
    value: "u32",
    takes: { least: 0, most: INT_MAX },
    set: true,
    get: true,
  },
  TCP_CONGESTION: { level: SOL_TCP, number: 13, value: "name", set: true },
  TCP_BPF_IW: {
    level: SOL_TCP,
    number: 1001,
    value: "u32",
    takes: { least: 1, most: INT_MAX },
    set: true,
  },
  TCP_BPF_SNDCWND_CLAMP: {
    level: SOL_TCP,
    number: 1002,
    value: "u32",
    takes: { least: 1, most: INT_MAX },
    set: true,
    get: "refused",
  },
  TCP_BPF_DELACK_MAX: { level: SOL_TCP, number: 1003, value: "u32", takes: timer, set: true, needs: "bpf-delack-max" },
  TCP_BPF_RTO_MIN: { level: SOL_TCP, number: 1004, value: "u32", takes: timer, set: true, needs: "bpf-delack-max" },
  TCP_DELACK_MIN_US: {
    level: SOL_TCP,
    number: 64,
    value: "u32",
    takes: delay,
    set: true,
    get: true,
    needs: "delayed-ack-options",
  },
  TCP_DELACK_MAX_US: {
    level: SOL_TCP,
    number: 46,
    value: "u32",
    takes: timer,
    set: true,
    get: true,
    needs: "delayed-ack-options",
  },
  TCP_DELACK_SEGS: {
    level: SOL_TCP,
    number: 66,
    value: "u32",
    takes: { least: 0, most: 255 },
    set: true,
    get: true,
    needs: "delayed-ack-options",
  },
} as const satisfies Record<string, SocketOption>;

/** Does a kernel of `hz` ticks a second take this value? */
export function takes(range: ValueRange, value: number, hz: number): boolean {
  if (range.ticks === undefined) return value >= range.least && value <= range.most;
  const ticks = (us: number): number => Math.ceil((us * hz) / MICROSECONDS);
  return value > 0 && ticks(value) >= range.ticks && ticks(value) <= ticks(range.most);
}
/** No kernel takes this value, whatever its clock. */
export const neverTaken = (range: ValueRange, value: number): boolean => value < range.least || value > range.most;
export type SocketOptionName = keyof typeof SOCKET_OPTIONS;
