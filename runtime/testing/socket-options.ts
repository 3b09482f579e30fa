/** Socket options of the TCP model: what bpf_setsockopt checks and changes (net/core/filter.c, net/ipv4/tcp.c). */
import { has, type Kernel } from "../../compiler/bpf/kernels.ts";
import { SOCKET_OPTIONS, takes, type SocketOption, type SocketOptionName } from "../../compiler/bpf/socket-options.ts";
import { ERRNO } from "../vm/errno.ts";
import type { Connection } from "./connection.ts";

const names = Object.keys(SOCKET_OPTIONS) as SocketOptionName[];
const find = (level: number, number: number): SocketOptionName | undefined =>
  names.find((name) => SOCKET_OPTIONS[name].level === level && SOCKET_OPTIONS[name].number === number);

/** What else an option checks before it takes effect; 0 or an errno. */
const CHECKS: Partial<Record<SocketOptionName, (connection: Connection) => number>> = {
  // Only before data is sent: afterwards the window is what the connection has earned.
  TCP_BPF_IW: ({ fields }) => (fields.dataSegsOut === 0 ? 0 : ERRNO.EINVAL),
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
  const { fields } = connection;
  if (name === "TCP_BPF_IW") connection.fields = { ...fields, sndCwnd: given };
  // The window itself meets the clamp when it next grows.
  if (name === "TCP_BPF_SNDCWND_CLAMP") connection.fields = { ...fields, sndSsthresh: given };
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
  if (!name || row?.get !== true || (row.needs !== undefined && !has(kernel, row.needs))) return ERRNO.EINVAL;
  if (size !== 4) return ERRNO.EINVAL;
  return new Uint8Array(Int32Array.of(Number(connection.sockOpts[name] ?? 0)).buffer);
}
