/** Socket options of the TCP model: what bpf_setsockopt checks and changes (net/core/filter.c, net/ipv4/tcp.c). */
import { has, type Kernel } from "../../compiler/bpf/kernels.ts";
import { SOCKET_OPTIONS, takes, type SocketOption, type SocketOptionName } from "../../compiler/bpf/socket-options.ts";
import { ERRNO } from "../vm/errno.ts";
import type { Connection, Timer } from "./connection.ts";

const names = Object.keys(SOCKET_OPTIONS) as SocketOptionName[];
const find = (level: number, number: number): SocketOptionName | undefined =>
  names.find((name) => SOCKET_OPTIONS[name].level === level && SOCKET_OPTIONS[name].number === number);

/** What else an option checks before it takes effect; 0 or an errno. */
const CHECKS: Partial<Record<SocketOptionName, (connection: Connection) => number>> = {
  // Only before data is sent: afterwards the window is what the connection has earned.
  TCP_BPF_IW: ({ fields }) => (fields.dataSegsOut === 0 ? 0 : ERRNO.EINVAL),
};
/** Which timer an option sets; two set the same one. */
const TIMERS: Partial<Record<SocketOptionName, Timer>> = {
  TCP_BPF_DELACK_MAX: "delackMax",
  TCP_DELACK_MAX_US: "delackMax",
  TCP_DELACK_MIN_US: "delackMin",
  TCP_BPF_RTO_MIN: "rtoMin",
};
/** TCP_DELACK_MAX and TCP_RTO_MIN, in microseconds. */
const FIFTH = 200_000;
/** A time as the kernel keeps it, in whole ticks of its clock. */
const inTicks = (us: number, hz: number): number => Math.ceil((us * hz) / 1e6) * (1e6 / hz);
/** tcp_delack_max(): a tick below the retransmission timer's least, at most. */
const longestDelay = ({ timers }: Connection, hz: number): number =>
  Math.min(timers.delackMax ?? FIFTH, (timers.rtoMin ?? FIFTH) - 1e6 / hz);
/** What is read is what is in force, not what was set. */
const IN_FORCE: Partial<Record<SocketOptionName, (connection: Connection, hz: number) => number>> = {
  TCP_DELACK_MAX_US: longestDelay,
  TCP_DELACK_MIN_US: (connection, hz) => Math.min(connection.timers.delackMin ?? 0, longestDelay(connection, hz)),
};
/** Only this one allocates memory of its own, and BPF may not switch to it. */
const REFUSED_CONTROL = "cdg";
const ENOTSUPP = -524;

export function setSocketOption(
  connection: Connection,
  kernel: Kernel,
  host: { readonly congestionControls: readonly string[]; readonly hz: number | undefined },
  level: number,
  number: number,
  value: Uint8Array,
): number {
  const name = find(level, number);
  const row = name && (SOCKET_OPTIONS[name] as SocketOption);
  if (!name || !row || (row.needs !== undefined && !has(kernel, row.needs))) return ERRNO.EINVAL;
  if (row.value === "name") {
    const end = value.indexOf(0);
    const text = Buffer.from(value.subarray(0, end < 0 ? Math.min(value.length, 15) : end)).toString();
    if (text === REFUSED_CONTROL) return ENOTSUPP;
    if (!host.congestionControls.includes(text)) return ERRNO.ENOENT;
    connection.sockOpts[name] = text;
    return 0;
  }
  if (value.length !== 4) return ERRNO.EINVAL;
  const given = new DataView(value.buffer, value.byteOffset).getInt32(0, true);
  if (row.takes && !takes(row.takes, given, host.hz ?? kernel.hz)) return ERRNO.EINVAL;
  const refused = CHECKS[name]?.(connection) ?? 0;
  if (refused !== 0) return refused;
  connection.sockOpts[name] = given;
  const timer = TIMERS[name];
  if (timer) connection.timers[timer] = inTicks(given, host.hz ?? kernel.hz);
  const { fields } = connection;
  if (name === "TCP_BPF_IW") connection.fields = { ...fields, sndCwnd: given };
  // The window itself meets the clamp when it next grows.
  if (name === "TCP_BPF_SNDCWND_CLAMP") connection.fields = { ...fields, sndSsthresh: given };
  return 0;
}

export function getSocketOption(
  connection: Connection,
  kernel: Kernel,
  host: { readonly hz: number | undefined },
  level: number,
  number: number,
  size: number,
): Uint8Array | number {
  const name = find(level, number);
  const row = name && (SOCKET_OPTIONS[name] as SocketOption);
  if (!name || row?.get !== true || (row.needs !== undefined && !has(kernel, row.needs))) return ERRNO.EINVAL;
  if (size !== 4) return ERRNO.EINVAL;
  const value = IN_FORCE[name]?.(connection, host.hz ?? kernel.hz) ?? Number(connection.sockOpts[name] ?? 0);
  return new Uint8Array(Int32Array.of(value).buffer);
}
