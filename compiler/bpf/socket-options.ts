/**
 * Socket options that a program may set or get: level, number, value, and since when (include/uapi/linux/{tcp,in,in6,bpf}.h and
 * asm-generic/socket.h). A version is the first release that was looked at and has it: 5.10, 5.15, 6.1, 6.12 or 6.15.
 */
import type { Feature } from "./kernels.ts";
import { isAtLeast, type Version } from "./verifier-rules.ts";

export const LEVELS = { socket: 1, ip: 0, ipv6: 41, tcp: 6 } as const;

/** Values that the kernel takes, as an int; any other is -EINVAL. */
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
  readonly level: (typeof LEVELS)[keyof typeof LEVELS];
  readonly number: number;
  /**
   * "u32": four bytes; "bool": four bytes that are 0 or not; "name" and "device": a string of at most 16 bytes; "header": as many
   * first bytes of a segment's headers as are asked for.
   */
  readonly value: "u32" | "bool" | "name" | "device" | "header";
  /** Of a number. */
  readonly takes?: ValueRange;
  /** The first version in which a program may set it. "always": each that we know. */
  readonly set?: "always" | Version;
  /** Likewise for reading it. "refused": what the paper's kernel gave, and no kernel from 5.10 on gives. */
  readonly get?: "always" | Version | "refused";
  /** Besides what the kind of program needs. */
  readonly needs?: Feature;
  /** Only programs of this kind are given it. */
  readonly only?: "sock_ops";
  /** Setting it sends what is waiting: not while a segment's options are being written, which would come back here. */
  readonly sends?: true;
}
/** From here on bpf_setsockopt and bpf_getsockopt do what a process's calls do, for the options of their list. */
export const UNIFIED: Version = "6.1";

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
const from = (least: number, most: number = INT_MAX): ValueRange => ({ least, most });
/** 0 restores the default. */
const delay = from(0, FIFTH);
const { socket, ip, ipv6, tcp } = LEVELS;

/** The lists: sol_socket_sockopt, sol_tcp_sockopt, sol_ip_sockopt and sol_ipv6_sockopt in net/core/filter.c, and before 6.1 _bpf_setsockopt. */
// prettier-ignore
export const SOCKET_OPTIONS = {
  SO_REUSEADDR: { level: socket, number: 2, value: "bool", set: UNIFIED, get: UNIFIED },
  SO_SNDBUF: { level: socket, number: 7, value: "u32", set: "always", get: UNIFIED },
  SO_RCVBUF: { level: socket, number: 8, value: "u32", set: "always", get: UNIFIED },
  SO_KEEPALIVE: { level: socket, number: 9, value: "bool", set: "always", get: UNIFIED },
  SO_PRIORITY: { level: socket, number: 12, value: "u32", set: "always", get: "5.15" },
  SO_REUSEPORT: { level: socket, number: 15, value: "bool", set: UNIFIED, get: UNIFIED },
  SO_RCVLOWAT: { level: socket, number: 18, value: "u32", set: "always", get: UNIFIED },
  SO_BINDTODEVICE: { level: socket, number: 25, value: "device", set: "always" },
  SO_MARK: { level: socket, number: 36, value: "u32", set: "always", get: "5.15" },
  SO_MAX_PACING_RATE: { level: socket, number: 47, value: "u32", set: "always", get: UNIFIED },
  SO_BINDTOIFINDEX: { level: socket, number: 62, value: "u32", takes: from(0), set: "5.15", get: "5.15" },
  SO_TXREHASH: { level: socket, number: 74, value: "bool", set: UNIFIED, get: UNIFIED },
  SK_BPF_CB_FLAGS: { level: socket, number: 1009, value: "u32", takes: from(0, 1), set: "6.15", get: "6.15" },
  IP_TOS: { level: ip, number: 1, value: "u32", set: "always", get: "always" },
  IPV6_TCLASS: { level: ipv6, number: 67, value: "u32", takes: from(-1, 255), set: "always", get: "always" },
  IPV6_AUTOFLOWLABEL: { level: ipv6, number: 70, value: "bool", set: UNIFIED, get: UNIFIED },
  TCP_NODELAY: { level: tcp, number: 1, value: "bool", set: UNIFIED, get: UNIFIED, sends: true },
  TCP_MAXSEG: { level: tcp, number: 2, value: "u32", takes: from(0, 32_767), set: UNIFIED, get: UNIFIED },
  TCP_KEEPIDLE: { level: tcp, number: 4, value: "u32", takes: from(1, 32_767), set: "always", get: UNIFIED },
  TCP_KEEPINTVL: { level: tcp, number: 5, value: "u32", takes: from(1, 32_767), set: "always", get: UNIFIED },
  TCP_KEEPCNT: { level: tcp, number: 6, value: "u32", takes: from(1, 127), set: "always", get: UNIFIED },
  TCP_SYNCNT: { level: tcp, number: 7, value: "u32", takes: from(1, 127), set: "always", get: UNIFIED },
  TCP_WINDOW_CLAMP: { level: tcp, number: 10, value: "u32", set: "5.15", get: UNIFIED },
  TCP_CONGESTION: { level: tcp, number: 13, value: "name", set: "always", get: "always" },
  TCP_THIN_LINEAR_TIMEOUTS: { level: tcp, number: 16, value: "bool", set: UNIFIED, get: UNIFIED },
  TCP_USER_TIMEOUT: { level: tcp, number: 18, value: "u32", takes: from(0), set: "always", get: UNIFIED },
  TCP_NOTSENT_LOWAT: { level: tcp, number: 25, value: "u32", set: "always", get: UNIFIED },
  TCP_SAVE_SYN: { level: tcp, number: 27, value: "u32", takes: from(0, 2), set: "always", get: UNIFIED },
  TCP_SAVED_SYN: { level: tcp, number: 28, value: "header", get: "always" },
  TCP_RTO_MAX_MS: { level: tcp, number: 44, value: "u32", takes: from(1_000, 120_000), set: "6.15", get: "6.15" },
  TCP_BPF_IW: { level: tcp, number: 1001, value: "u32", takes: from(1), set: "always" },
  TCP_BPF_SNDCWND_CLAMP: { level: tcp, number: 1002, value: "u32", takes: from(1), set: "always", get: "refused" },
  TCP_BPF_DELACK_MAX: { level: tcp, number: 1003, value: "u32", takes: timer, set: "always", get: "6.15", needs: "bpf-delack-max" },
  TCP_BPF_RTO_MIN: { level: tcp, number: 1004, value: "u32", takes: timer, set: "always", get: "6.15", needs: "bpf-delack-max" },
  TCP_BPF_SYN: { level: tcp, number: 1005, value: "header", get: "always", only: "sock_ops" },
  TCP_BPF_SYN_IP: { level: tcp, number: 1006, value: "header", get: "always", only: "sock_ops" },
  TCP_BPF_SYN_MAC: { level: tcp, number: 1007, value: "header", get: "always", only: "sock_ops" },
  TCP_BPF_SOCK_OPS_CB_FLAGS: { level: tcp, number: 1008, value: "u32", takes: from(0, 255), set: "6.12", get: "6.12" },
  TCP_DELACK_MAX_US: { level: tcp, number: 46, value: "u32", takes: timer, set: "always", get: "always", needs: "delayed-ack-options" },
  TCP_DELACK_MIN_US: { level: tcp, number: 64, value: "u32", takes: delay, set: "always", get: "always", needs: "delayed-ack-options" },
  TCP_DELACK_SEGS: { level: tcp, number: 66, value: "u32", takes: from(0, 255), set: "always", get: "always", needs: "delayed-ack-options" },
} as const satisfies Record<string, SocketOption>;

/** Does a kernel of `hz` ticks a second take this value? */
export function takes(range: ValueRange, value: number, hz: number): boolean {
  if (range.ticks === undefined) return value >= range.least && value <= range.most;
  const ticks = (us: number): number => Math.ceil((us * hz) / MICROSECONDS);
  return value > 0 && ticks(value) >= range.ticks && ticks(value) <= ticks(range.most);
}
/** No kernel takes this value, whatever its clock. */
export const neverTaken = (range: ValueRange, value: number): boolean =>
  (value | 0) < range.least || (value | 0) > range.most;
export type SocketOptionName = keyof typeof SOCKET_OPTIONS;

/** Whether the kernels from `oldest` on know the option in this call; "refused" is known, and answered with an error. */
export function isKnownTo(option: SocketOption, call: "set" | "get", oldest: Version): boolean {
  const since = option[call];
  return since !== undefined && (since === "always" || since === "refused" || isAtLeast(oldest, since));
}
