/** Socket options of the TCP model: what bpf_setsockopt and bpf_getsockopt check, change and tell (net/core/filter.c, net/core/sock.c, net/ipv4/tcp.c). */
import { has, type Kernel } from "../../compiler/bpf/kernels.ts";
import { callbacksOf } from "../../compiler/bpf/kinds/sock-ops.ts";
import {
  isKnownTo,
  SOCKET_OPTIONS,
  takes,
  type SocketOption,
  type SocketOptionName,
} from "../../compiler/bpf/socket-options.ts";
import { textOfUtf8, utf8 } from "../vm/bytes.ts";
import { ERRNO } from "../vm/errno.ts";
import type { SockOptAnswer } from "../vm/helpers.ts";
import type { Connection, Timer } from "./connection.ts";

const names = Object.keys(SOCKET_OPTIONS) as SocketOptionName[];
const find = (level: number, number: number): SocketOptionName | undefined =>
  names.find((name) => SOCKET_OPTIONS[name].level === level && SOCKET_OPTIONS[name].number === number);

const rowOf = (level: number, number: number): SocketOption | undefined => {
  const name = find(level, number);
  return name && SOCKET_OPTIONS[name];
};
/** One of the headers of the SYN, which bpf_sock_ops_getsockopt has of a request, too. */
export const isSynHeader = (level: number, number: number): boolean => {
  const row = rowOf(level, number);
  return row?.value === "header" && row.only === "sock_ops";
};
/** Setting it sends what is waiting. */
export const sends = (level: number, number: number): boolean => rowOf(level, number)?.sends === true;

/** What an option does besides keeping its value. */
interface Behaviour {
  /** Before a program has set it. */
  readonly initial?: number;
  /** What else is checked before it takes effect; 0 or an errno. */
  readonly check?: (value: number, connection: Connection, kernel: Kernel) => number;
  /** What is in force when `value` is set, or at first. */
  readonly reads?: (value: number, connection: Connection, kernel: Kernel, hz: number) => number;
  /** The timer that it sets; two set the same one. */
  readonly timer?: Timer;
}
const INT_MAX = 0x7fff_ffff;
/** TCP_DELACK_MAX and TCP_RTO_MIN, in microseconds. */
const FIFTH = 200_000;
/** net.core.wmem_max and rmem_max, as most machines have them; the least that a buffer has (SOCK_MIN_SNDBUF, SOCK_MIN_RCVBUF). */
const BUFFER = { most: 212_992, leastSent: 4608, leastReceived: 2304 } as const;
/** Half of net.ipv4.tcp_rmem's last number. */
const MOST_LOW_WATER = 3_145_728;
const ECN_BITS = 3;
const LEAST_MSS = 88;

const buffer =
  (least: number) =>
  (value: number): number =>
    Math.max(2 * Math.min(value >>> 0, BUFFER.most), least);
const isUnified = (kernel: Kernel): boolean => has(kernel, "unified-socket-options");
/** The two bits of ECN stay TCP's where the kernel has one function for programs and processes. */
const trafficClass = (value: number, _: Connection, kernel: Kernel): number =>
  (isUnified(kernel) ? value & ~ECN_BITS : value) & 0xff;
type Check = NonNullable<Behaviour["check"]>;
const ofFamily =
  (isIp4: boolean): Check =>
  (_, { fields }) =>
    (fields.remoteIp6 === undefined) === isIp4 ? 0 : ERRNO.EINVAL;
/** A time as the kernel keeps it, in whole ticks of its clock. */
const inTicks = (us: number, hz: number): number => Math.ceil((us * hz) / 1e6) * (1e6 / hz);
/** tcp_delack_max(): a tick below the retransmission timer's least, at most. */
const longestDelay = ({ timers }: Connection, hz: number): number =>
  Math.min(timers.delackMax ?? FIFTH, (timers.rtoMin ?? FIFTH) - 1e6 / hz);

const BEHAVIOUR: { readonly [N in SocketOptionName]?: Behaviour } = {
  SO_SNDBUF: { initial: 16_384 / 2, reads: buffer(BUFFER.leastSent) },
  SO_RCVBUF: { initial: 131_072 / 2, reads: buffer(BUFFER.leastReceived) },
  // Half of the buffer at most: of the one that was set, or of the largest that the kernel makes.
  SO_RCVLOWAT: {
    initial: 1,
    reads: (value, { sockOpts: { SO_RCVBUF: set } }) =>
      Math.min(
        value < 0 ? INT_MAX : value,
        set === undefined ? MOST_LOW_WATER : buffer(BUFFER.leastReceived)(Number(set)) / 2,
      ) || 1,
  },
  SO_MAX_PACING_RATE: { initial: -1 },
  SO_TXREHASH: { initial: 1 },
  IP_TOS: {
    check: (value, connection, kernel) =>
      ofFamily(true)(value, connection, kernel) ||
      (isUnified(kernel) || (value >= -1 && value <= 0xff) ? 0 : ERRNO.EINVAL),
    reads: (value, connection, kernel) => trafficClass(value, connection, kernel),
  },
  IPV6_TCLASS: {
    check: ofFamily(false),
    reads: (value, connection, kernel) => (value < 0 ? 0 : trafficClass(value, connection, kernel)),
  },
  IPV6_AUTOFLOWLABEL: { initial: 1, check: ofFamily(false) },
  TCP_MAXSEG: {
    check: (value) => (value === 0 || value >= LEAST_MSS ? 0 : ERRNO.EINVAL),
    reads: (_, { fields }) => fields.mss,
  },
  TCP_KEEPIDLE: { initial: 7200 },
  TCP_KEEPINTVL: { initial: 75 },
  TCP_KEEPCNT: { initial: 9 },
  TCP_SYNCNT: { initial: 6 },
  TCP_WINDOW_CLAMP: {
    initial: 65_535,
    // Without a limit only before the connection is made.
    check: (value, { fields }) => (value !== 0 || fields.state === "close" ? 0 : ERRNO.EINVAL),
    reads: (value) => (value === 0 ? 0 : Math.max(value, BUFFER.leastReceived / 2)),
  },
  TCP_SAVE_SYN: { check: (value, _, kernel) => (value < 2 || isUnified(kernel) ? 0 : ERRNO.EINVAL) },
  TCP_RTO_MAX_MS: { initial: 120_000 },
  // Only before data is sent: afterwards the window is what the connection has earned.
  TCP_BPF_IW: { check: (_, { fields }) => (fields.dataSegsOut === 0 ? 0 : ERRNO.EINVAL) },
  TCP_BPF_DELACK_MAX: { timer: "delackMax", reads: (_, { timers }) => timers.delackMax ?? FIFTH },
  TCP_BPF_RTO_MIN: { timer: "rtoMin", reads: (_, { timers }) => timers.rtoMin ?? FIFTH },
  TCP_BPF_SOCK_OPS_CB_FLAGS: {
    check: (value, _, kernel) => (value & ~callbacksOf(kernel) ? ERRNO.EINVAL : 0),
    reads: (_, { callbacks }) => callbacks,
  },
  TCP_DELACK_MAX_US: { timer: "delackMax", reads: (_, connection, __, hz) => longestDelay(connection, hz) },
  TCP_DELACK_MIN_US: {
    timer: "delackMin",
    reads: (_, connection, __, hz) => Math.min(connection.timers.delackMin ?? 0, longestDelay(connection, hz)),
  },
};
/** Only this one allocates memory of its own, and BPF may not switch to it. */
const REFUSED_CONTROL = "cdg";
const ENOTSUPP = -524;
/** Of a name, with the zero behind it. */
const NAME_BYTES = 16;
const DEFAULT_CONTROL = "cubic";

/** The option that a kernel knows in a call, by its numbers. */
function known(kernel: Kernel, call: "set" | "get", level: number, number: number) {
  const name = find(level, number);
  if (!name) return undefined;
  const row: SocketOption = SOCKET_OPTIONS[name];
  const there = isKnownTo(row, call, kernel.oldest) && (row.needs === undefined || has(kernel, row.needs));
  return there && row[call] !== "refused" ? { name, row, behaviour: BEHAVIOUR[name] ?? {} } : undefined;
}
const textOf = (value: Uint8Array): string => {
  const end = value.indexOf(0);
  return textOfUtf8(value.subarray(0, end < 0 ? Math.min(value.length, NAME_BYTES - 1) : end));
};

export function setSocketOption(
  connection: Connection,
  kernel: Kernel,
  host: { readonly congestionControls: readonly string[]; readonly hz: number | undefined },
  level: number,
  number: number,
  value: Uint8Array,
): number {
  const option = known(kernel, "set", level, number);
  if (!option) return ERRNO.EINVAL;
  const { name, row, behaviour } = option;
  if (row.value === "name") {
    const text = textOf(value);
    if (text === REFUSED_CONTROL) return ENOTSUPP;
    if (!host.congestionControls.includes(text)) return ERRNO.ENOENT;
    connection.sockOpts[name] = text;
    return 0;
  }
  // Any device is there.
  if (row.value === "device") {
    connection.sockOpts[name] = textOf(value);
    return 0;
  }
  if (value.length !== 4) return ERRNO.EINVAL;
  const given = new DataView(value.buffer, value.byteOffset).getInt32(0, true);
  const hz = host.hz ?? kernel.hz;
  if (row.takes && !takes(row.takes, given, hz)) return ERRNO.EINVAL;
  const refused = behaviour.check?.(given, connection, kernel) ?? 0;
  if (refused !== 0) return refused;
  connection.sockOpts[name] = row.value === "bool" ? given !== 0 : given >>> 0;
  if (behaviour.timer) connection.timers[behaviour.timer] = inTicks(given, hz);
  const { fields } = connection;
  if (name === "TCP_BPF_IW") connection.fields = { ...fields, sndCwnd: given };
  // The window itself meets the clamp when it next grows.
  if (name === "TCP_BPF_SNDCWND_CLAMP") connection.fields = { ...fields, sndSsthresh: given };
  if (name === "TCP_BPF_SOCK_OPS_CB_FLAGS") connection.callbacks = given;
  return 0;
}

export function getSocketOption(
  connection: Connection,
  kernel: Kernel,
  host: { readonly hz: number | undefined },
  level: number,
  number: number,
  size: number,
): SockOptAnswer {
  const option = known(kernel, "get", level, number);
  if (!option) return ERRNO.EINVAL;
  const { name, row, behaviour } = option;
  const set = connection.sockOpts[name];
  if (row.value === "name") {
    if (size < 2) return ERRNO.EINVAL;
    const bytes = new Uint8Array(size);
    bytes.set(utf8(String(set ?? DEFAULT_CONTROL)).subarray(0, size - 1));
    return bytes;
  }
  if (row.value === "header") return savedHeader(connection, name, size);
  if (size !== 4) return ERRNO.EINVAL;
  const given = set === undefined ? (behaviour.initial ?? 0) : Number(set) | 0;
  const value = behaviour.reads?.(given, connection, kernel, host.hz ?? kernel.hz) ?? given;
  return new Uint8Array(Int32Array.of(value).buffer);
}

/** The model keeps a SYN from its TCP header on; what lies below it is not there. */
function savedHeader({ savedSyn }: Connection, name: SocketOptionName, size: number): SockOptAnswer {
  if (name === "TCP_SAVED_SYN") return ERRNO.EINVAL;
  if (!savedSyn || name !== "TCP_BPF_SYN") return ERRNO.ENOENT;
  return { bytes: savedSyn, result: size < savedSyn.length ? ERRNO.ENOSPC : savedSyn.length };
}
