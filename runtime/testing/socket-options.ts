/** Socket options of the TCP model: what bpf_setsockopt checks and changes (net/core/filter.c, net/ipv4/tcp.c). */
import { has, type Kernel } from "../../compiler/bpf/kernels.ts";
import { SOCKET_OPTIONS, type SocketOption, type SocketOptionName } from "../../compiler/bpf/socket-options.ts";
import { ERRNO } from "../vm/errno.ts";
import type { Connection } from "./connection.ts";

/** Longest delayed ACK and shortest retransmission timeout that may be asked for, in microseconds (HZ is 250). */
const TIMEOUT = { least: 8_000, mostDelayedAck: 200_000, mostRto: 200_000 } as const;

const names = Object.keys(SOCKET_OPTIONS) as SocketOptionName[];
const find = (level: number, number: number): SocketOptionName | undefined =>
  names.find((name) => SOCKET_OPTIONS[name].level === level && SOCKET_OPTIONS[name].number === number);

const between =
  (least: number, most: number) =>
  (_: Connection, value: number): number =>
    value >= least && value <= most ? 0 : ERRNO.EINVAL;

/** What an integer option checks before it takes effect; 0 or an errno. */
const CHECKS: Partial<Record<SocketOptionName, (connection: Connection, value: number) => number>> = {
  TCP_USER_TIMEOUT: between(0, 0x7fff_ffff),
  // Only before data is sent: afterwards the window is what the connection has earned.
  TCP_BPF_IW: ({ fields }, value) => (value > 0 && fields.dataSegsOut === 0 ? 0 : ERRNO.EINVAL),
  TCP_BPF_SNDCWND_CLAMP: between(1, 0x7fff_ffff),
  TCP_BPF_DELACK_MAX: between(TIMEOUT.least, TIMEOUT.mostDelayedAck),
  TCP_BPF_RTO_MIN: between(TIMEOUT.least, TIMEOUT.mostRto),
  TCP_DELACK_SEGS: between(0, 255),
};

export function setSocketOption(
  connection: Connection,
  kernel: Kernel,
  controls: readonly string[],
  level: number,
  number: number,
  value: Uint8Array,
): number {
  const name = find(level, number);
  const row = name && (SOCKET_OPTIONS[name] as SocketOption);
  if (!name || !row || !has(kernel, row.needs)) return ERRNO.EINVAL;
  if (row.value === "name") {
    const end = value.indexOf(0);
    const text = Buffer.from(value.subarray(0, end < 0 ? Math.min(value.length, 15) : end)).toString();
    if (!controls.includes(text)) return ERRNO.ENOENT;
    connection.sockOpts[name] = text;
    return 0;
  }
  if (value.length !== 4) return ERRNO.EINVAL;
  const given = new DataView(value.buffer, value.byteOffset).getInt32(0, true);
  const refused = CHECKS[name]?.(connection, given) ?? 0;
  if (refused !== 0) return refused;
  connection.sockOpts[name] = given;
  const { fields } = connection;
  if (name === "TCP_BPF_IW") connection.fields = { ...fields, sndCwnd: given };
  if (name === "TCP_BPF_SNDCWND_CLAMP") connection.fields = { ...fields, sndCwnd: Math.min(fields.sndCwnd, given) };
  return 0;
}

export function getSocketOption(
  connection: Connection,
  kernel: Kernel,
  level: number,
  number: number,
  size: number,
): Uint8Array | number {
  const name = find(level, number);
  const row = name && (SOCKET_OPTIONS[name] as SocketOption);
  if (!name || !row?.get || !has(kernel, row.needs)) return ERRNO.EINVAL;
  if (size !== 4) return ERRNO.EINVAL;
  return new Uint8Array(Int32Array.of(Number(connection.sockOpts[name] ?? 0)).buffer);
}
