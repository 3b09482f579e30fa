/** The TCP model: one socket's state, as a program reads it through the context and changes it through helpers. */
import { parseIpv6 } from "../../compiler/addresses.ts";
import type { SockOpsField } from "../../compiler/bpf/kinds/sock-ops.ts";
import { TCP_STATES, type TcpStateName } from "../../compiler/bpf/tcp-states.ts";
import { htons, ipv4 } from "../dsl/index.ts";
import { hostOrder } from "../dsl/network-order.ts";

/** What a test may set; units as in tsbpf/tcp. */
export interface ConnectionFields {
  localIp4: symbol;
  remoteIp4: symbol;
  localPort: number;
  remotePort: symbol;
  state: TcpStateName;
  dataSegsIn: number;
  dataSegsOut: number;
  segsIn: number;
  segsOut: number;
  sndCwnd: number;
  sndSsthresh: number;
  mss: number;
  srttUs: number;
  rttMinUs: number;
  totalRetrans: number;
  packetsOut: number;
  retransOut: number;
  lostOut: number;
  sackedOut: number;
  sndNxt: number;
  sndUna: number;
  rcvNxt: number;
  rateDelivered: number;
  rateIntervalUs: number;
  bytesAcked: bigint;
  bytesReceived: bigint;
  /** Addresses of an IPv6 connection, as text; family is 10 when given. */
  localIp6?: string;
  remoteIp6?: string;
  token: number;
  remoteToken: number;
  localKey: bigint;
  remoteKey: bigint;
  flags: number;
}

/** A delayed ACK's longest and shortest time, and the shortest retransmission time-out. */
export type Timer = "delackMax" | "delackMin" | "rtoMin";

export interface Connection {
  fields: ConnectionFields;
  /** bpf_sock_ops_cb_flags. */
  callbacks: number;
  /** Socket options set so far, by the kernel's names. */
  readonly sockOpts: Record<string, number | string | boolean>;
  /** Timers that options of it set, in microseconds, rounded up to ticks of the clock. */
  readonly timers: Partial<Record<Timer, number>>;
  /** The SYN that opened it, from the TCP header on: of a request, and afterwards where the listener saved it. */
  savedSyn?: Uint8Array;
  side?: "client" | "server";
  /** Has the established event been delivered? */
  open: boolean;
}

export const freshFields = (): ConnectionFields => ({
  localIp4: ipv4("192.0.2.1"),
  remoteIp4: ipv4("198.51.100.1"),
  localPort: 40000,
  remotePort: htons(443),
  state: "synSent",
  dataSegsIn: 0,
  dataSegsOut: 0,
  segsIn: 0,
  segsOut: 0,
  sndCwnd: 10,
  sndSsthresh: 0x7fff_ffff,
  mss: 1448,
  srttUs: 0,
  rttMinUs: 0xffff_ffff,
  totalRetrans: 0,
  packetsOut: 0,
  retransOut: 0,
  lostOut: 0,
  sackedOut: 0,
  sndNxt: 0,
  sndUna: 0,
  rcvNxt: 0,
  rateDelivered: 0,
  rateIntervalUs: 0,
  bytesAcked: 0n,
  bytesReceived: 0n,
  token: 0,
  remoteToken: 0,
  localKey: 0n,
  remoteKey: 0n,
  flags: 0,
});

/** All zero: what an event of tests' `emit` starts from. */
export const zeroFields = (): ConnectionFields => ({
  ...freshFields(),
  localIp4: ipv4("0.0.0.0"),
  remoteIp4: ipv4("0.0.0.0"),
  localPort: 0,
  remotePort: htons(0),
  state: "established",
  sndCwnd: 0,
  sndSsthresh: 0,
  mss: 0,
  rttMinUs: 0,
});

export function createConnection(fields: Partial<ConnectionFields> = {}): Connection {
  const made: Connection = { fields: freshFields(), callbacks: 0, sockOpts: {}, timers: {}, open: false };
  setFields(made, fields);
  return made;
}

/** Throws a TypeError where a test gives a field that there is not, or an IPv6 address that is none. */
export function checkFields(fields: Partial<ConnectionFields> | undefined): void {
  const known = new Set([...Object.keys(freshFields()), ...ADDRESSES6]);
  for (const name of Object.keys(fields ?? {}))
    if (!known.has(name)) throw new TypeError(`a connection has no ${name} (it has ${[...known].sort().join(", ")})`);
  for (const name of ADDRESSES6) if (fields?.[name] !== undefined) bytesOfIpv6(fields[name], name);
}
/** Sets fields by name, checked. */
export function setFields(connection: Connection, fields: Partial<ConnectionFields> | undefined): void {
  checkFields(fields);
  connection.fields = { ...connection.fields, ...fields };
}
const ADDRESSES6 = ["localIp6", "remoteIp6"] as const;

/** "192.0.2.1:40000 → 198.51.100.1:443" */
export const nameOf = ({ fields }: Connection): string =>
  `${fields.localIp4.description}:${fields.localPort} → ${fields.remoteIp4.description}:${hostOrder(16, fields.remotePort)}`;

/** A network-order symbol as the number that a 32-bit load on a little-endian machine gives. */
const loaded32 = (address: symbol): number => {
  const host = Number(hostOrder(32, address) ?? 0n);
  return ((host & 0xff) << 24) | ((host & 0xff00) << 8) | ((host >>> 8) & 0xff00) | (host >>> 24);
};
const loadedPort = (port: symbol): number => {
  const host = Number(hostOrder(16, port) ?? 0n);
  // Network order in the upper 16 bits: the bytes lie at offsets 2 and 3 of the field.
  return (((host & 0xff) << 24) | ((host & 0xff00) << 8)) >>> 0;
};

/** The 4 bytes of an IPv4 address; of none, zeros. */
export function bytesOfIpv4(address: symbol | undefined): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, Number(hostOrder(32, address) ?? 0n));
  return bytes;
}
/** The 16 bytes of an IPv6 address in text. Throws TypeError when it is none; `path`: where it is given. */
export function bytesOfIpv6(text: string, path?: string): Uint8Array {
  const where = path === undefined ? "" : `${path}: `;
  // Whoever writes ipv4("…") beside it is led to the words of ipv6("…").
  if (typeof text !== "string") throw new TypeError(`${where}IPv6 addresses are texts in tests: write "2001:db8::1"`);
  const bytes = parseIpv6(text);
  if (!bytes) throw new TypeError(`${where}"${text}" is not an IPv6 address such as "2001:db8::1"`);
  return bytes;
}
/** The shortest text of an IPv6 address (RFC 5952), of its 16 bytes. */
export function ipv6Text(bytes: Uint8Array): string {
  const words = Array.from({ length: 8 }, (_, at) => ((bytes[2 * at]! << 8) | bytes[2 * at + 1]!).toString(16));
  return new URL(`http://[${words.join(":")}]/`).hostname.slice(1, -1);
}
export const wordOf = (bytes: Uint8Array, index: number): number =>
  new DataView(bytes.buffer, bytes.byteOffset).getUint32(index * 4, true);

type Reader = (connection: Connection, index: number) => number | bigint;
const number =
  (name: keyof ConnectionFields): Reader =>
  ({ fields }) =>
    fields[name] as number | bigint;
const zero: Reader = () => 0;
/** A listener has no peer, and is bound without an IPv6 form of its address. */
const listens = ({ fields }: Connection): boolean => fields.state === "listen";
/** An IPv4 socket shows its addresses as ::ffff:192.0.2.1, too (ipv6_addr_set_v4mapped). */
const ip6 =
  (name: "localIp6" | "remoteIp6", short: "localIp4" | "remoteIp4"): Reader =>
  (connection, index) => {
    const { fields } = connection;
    const given = fields[name];
    if (name === "remoteIp6" && listens(connection)) return 0;
    if (given !== undefined) return wordOf(bytesOfIpv6(given), index);
    const address = loaded32(fields[short]);
    if (address === 0 || index < 2 || listens(connection)) return 0;
    return index === 2 ? 0xffff_0000 : address;
  };

/** What an IPv6 socket has in place of its IPv4 addresses: 127.0.0.6 (include/net/ipv6.h), and none of the peer before one answers. */
const LOOPBACK4_IPV6 = loaded32(ipv4("127.0.0.6"));
/** Where IPv4 travels in an IPv6 socket, its address (RFC 4291, 2.5.5.2); such a socket has both forms. */
function mappedIp4(address: string | undefined): number | undefined {
  if (address === undefined) return undefined;
  const bytes = bytesOfIpv6(address);
  const mapped = wordOf(bytes, 0) === 0 && wordOf(bytes, 1) === 0 && wordOf(bytes, 2) === 0xffff_0000;
  return mapped ? wordOf(bytes, 3) : undefined;
}
const isIp6 = ({ fields }: Connection): boolean =>
  fields.remoteIp6 !== undefined && mappedIp4(fields.remoteIp6) === undefined;
const remoteOfIp6 = ({ fields, side }: Connection): number =>
  side === "server" || fields.state === "newSynRecv" || fields.state === "synRecv" ? LOOPBACK4_IPV6 : 0;

/** What the event decides, and pointers, which the machine gives out. */
type OfTheEvent =
  | ("op" | "args" | "is_fullsock" | "mptcp_addr6" | "opt_data")
  | ("skb_len" | "skb_tcp_flags" | "skb_hwtstamp" | "skb_data" | "skb_data_end" | "sk");
/** Fields of struct bpf_sock_ops that the socket alone decides. */
export const READERS = {
  family: ({ fields }) => (fields.remoteIp6 === undefined ? 2 : 10),
  remote_ip4: (connection) =>
    listens(connection)
      ? 0
      : isIp6(connection)
        ? remoteOfIp6(connection)
        : (mappedIp4(connection.fields.remoteIp6) ?? loaded32(connection.fields.remoteIp4)),
  local_ip4: (connection) =>
    isIp6(connection)
      ? LOOPBACK4_IPV6
      : (mappedIp4(connection.fields.localIp6) ?? loaded32(connection.fields.localIp4)),
  remote_ip6: ip6("remoteIp6", "remoteIp4"),
  local_ip6: ip6("localIp6", "localIp4"),
  remote_port: (connection) => (listens(connection) ? 0 : loadedPort(connection.fields.remotePort)),
  local_port: number("localPort"),
  snd_cwnd: number("sndCwnd"),
  srtt_us: ({ fields }) => fields.srttUs * 8,
  bpf_sock_ops_cb_flags: ({ callbacks }) => callbacks,
  state: ({ fields }) => TCP_STATES[fields.state],
  rtt_min: number("rttMinUs"),
  snd_ssthresh: number("sndSsthresh"),
  mss_cache: number("mss"),
  packets_out: number("packetsOut"),
  retrans_out: number("retransOut"),
  lost_out: number("lostOut"),
  sacked_out: number("sackedOut"),
  snd_nxt: number("sndNxt"),
  snd_una: number("sndUna"),
  rcv_nxt: number("rcvNxt"),
  rate_delivered: number("rateDelivered"),
  rate_interval_us: number("rateIntervalUs"),
  total_retrans: number("totalRetrans"),
  segs_in: number("segsIn"),
  data_segs_in: number("dataSegsIn"),
  segs_out: number("segsOut"),
  data_segs_out: number("dataSegsOut"),
  bytes_received: number("bytesReceived"),
  bytes_acked: number("bytesAcked"),
  mptcp_flags: number("flags"),
  mptcp_loc_token: number("token"),
  mptcp_rem_token: number("remoteToken"),
  mptcp_loc_key: number("localKey"),
  mptcp_rem_key: number("remoteKey"),
  sk_txhash: zero,
  // The model has no ECN.
  ecn_flags: zero,
} satisfies Record<Exclude<SockOpsField, OfTheEvent>, Reader>;
export { loaded32 };
