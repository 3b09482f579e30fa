/** The properties of what handlers are given, by role and name: from which field of the kernel's context each comes, and how. */
import type { SockAddrField } from "../bpf/kinds/sock-addr.ts";
import { TCP_FLAGS, type SockOpsField } from "../bpf/kinds/sock-ops.ts";
import type { SockoptField } from "../bpf/kinds/sockopt.ts";
import { kernelProperties, type KernelProperty } from "./kernel-members.ts";
import type { Role } from "./roles.ts";
import { BE16, BE32, BOOL, I32, U16, U32, U64, U8, type ScalarType } from "./types.ts";
import { TCP_STATE } from "./values.ts";

export interface ScalarProperty {
  /** A field of the role's kind. */
  readonly field: string;
  /** Element of `args` and the like. */
  readonly index?: number;
  readonly type: ScalarType;
  /** `srtt` is shifted left by 3; a port lies in the upper half; host order is turned to network order. */
  readonly convert?: "shift-3" | "upper-half" | "to-be16" | "not-zero";
  /** True where this bit of the field is set. */
  readonly bit?: number;
  /** Handlers may assign it. */
  readonly write?: true;
}
/** An IPv6 address: four words in network order. */
export interface AddressProperty {
  readonly field: string;
  readonly type: "ip6";
  /** Handlers may assign it. */
  readonly write?: true;
}
/** What a helper tells of the call. */
export interface HelperProperty {
  readonly helper: "get_current_pid_tgid" | "get_current_uid_gid" | "get_socket_cookie";
  /** Of its 64 bits. */
  readonly part: "low" | "high" | "all";
  readonly type: ScalarType;
}
/** What the segment's header and the connection tell together (segments.ts). */
export interface SegmentProperty {
  readonly segment: "payload" | "retransmitted" | "cookie" | "optionBytes";
}
export type ContextProperty = ScalarProperty | AddressProperty | HelperProperty | KernelProperty | SegmentProperty;
type Properties = Readonly<Record<string, ContextProperty>>;

const plain = (field: SockOpsField, type: ScalarType = U32): ScalarProperty => ({ field, type });
const ip6 = (field: SockOpsField): AddressProperty => ({ field, type: "ip6" });
const address = (field: SockAddrField, type: ScalarType = U32): ScalarProperty => ({ field, type });
const option = (field: SockoptField, type: ScalarType = U32): ScalarProperty => ({ field, type });
const arg = (index: number, type: ScalarType, how?: ScalarProperty["convert"]): ScalarProperty => ({
  field: "args",
  index,
  type,
  ...(how ? { convert: how } : {}),
});

const CONNECTION: Properties = {
  localIp4: plain("local_ip4", BE32),
  remoteIp4: plain("remote_ip4", BE32),
  localIp6: ip6("local_ip6"),
  remoteIp6: ip6("remote_ip6"),
  localPort: plain("local_port", U16),
  remotePort: { field: "remote_port", type: BE16, convert: "upper-half" },
  family: plain("family"),
  state: plain("state", TCP_STATE),
  dataSegsIn: plain("data_segs_in"),
  dataSegsOut: plain("data_segs_out"),
  segsIn: plain("segs_in"),
  segsOut: plain("segs_out"),
  sndCwnd: plain("snd_cwnd"),
  sndSsthresh: plain("snd_ssthresh"),
  mss: plain("mss_cache"),
  srttUs: { field: "srtt_us", type: U32, convert: "shift-3" },
  rttMinUs: plain("rtt_min"),
  totalRetrans: plain("total_retrans"),
  packetsOut: plain("packets_out"),
  retransOut: plain("retrans_out"),
  lostOut: plain("lost_out"),
  sackedOut: plain("sacked_out"),
  sndNxt: plain("snd_nxt"),
  sndUna: plain("snd_una"),
  rcvNxt: plain("rcv_nxt"),
  rateDelivered: plain("rate_delivered"),
  rateIntervalUs: plain("rate_interval_us"),
  bytesAcked: plain("bytes_acked", U64),
  bytesReceived: plain("bytes_received", U64),
};
const SESSION: Properties = {
  token: plain("mptcp_loc_token"),
  remoteToken: plain("mptcp_rem_token"),
  localKey: plain("mptcp_loc_key", U64),
  remoteKey: plain("mptcp_rem_key", U64),
  flags: plain("mptcp_flags"),
};
const EVENT: Properties = {
  op: plain("op"),
  optionsLength: arg(1, U32),
  isMaster: arg(1, BOOL, "not-zero"),
  addressId: arg(1, U8),
  error: arg(3, U32),
  localId: arg(0, U8),
  remoteId: arg(1, U8),
  backup: arg(2, BOOL, "not-zero"),
  byLink: arg(2, BOOL, "not-zero"),
  backoff: arg(0, U32),
  rtoJiffies: arg(1, U32),
  timedOut: arg(2, BOOL, "not-zero"),
  oldState: arg(0, TCP_STATE),
  newState: arg(1, TCP_STATE),
};
const LOCAL: Properties = {
  addr: arg(0, BE32),
  addr6: ip6("mptcp_addr6"),
  family: arg(3, U32),
};
const REMOTE: Properties = { ...LOCAL, port: arg(1, BE16, "to-be16"), id: arg(2, U8) };
const CONNECT: Properties = {
  family: address("family"),
  type: address("type"),
  protocol: address("protocol"),
  remotePort: { ...address("user_port", BE16), write: true },
  // The upper half is the process (the thread group), the lower one the thread.
  pid: { helper: "get_current_pid_tgid", part: "high", type: U32 },
  uid: { helper: "get_current_uid_gid", part: "low", type: U32 },
  cookie: { helper: "get_socket_cookie", part: "all", type: U64 },
};
const SOCKOPT: Properties = {
  level: option("level"),
  optname: option("optname"),
  optlen: { ...option("optlen", I32), write: true },
  uid: { helper: "get_current_uid_gid", part: "low", type: U32 },
};
const flag = (bit: number): ScalarProperty => ({ ...plain("skb_tcp_flags", BOOL), bit });
const SHAPE: Properties = {
  syn: flag(TCP_FLAGS.syn),
  ack: flag(TCP_FLAGS.ack),
  fin: flag(TCP_FLAGS.fin),
  rst: flag(TCP_FLAGS.rst),
  psh: flag(TCP_FLAGS.psh),
  payload: { segment: "payload" },
};
const PLANNED: Properties = { ...SHAPE, cookie: { segment: "cookie" } };
const RETRANSMITTED: Properties = { retransmitted: { segment: "retransmitted" } };
/** The properties of each role, by name. */
export const PROPERTIES: Readonly<Record<Role, Properties>> = {
  conn: CONNECTION,
  option: CONNECTION,
  planned: PLANNED,
  leaving: { ...PLANNED, ...RETRANSMITTED },
  arriving: { ...SHAPE, ...RETRANSMITTED, optionBytes: { segment: "optionBytes" } },
  session: { ...CONNECTION, ...SESSION },
  remote: REMOTE,
  local: LOCAL,
  ctx: { ...CONNECTION, ...SESSION, ...EVENT },
  connect: CONNECT,
  connect4: { ...CONNECT, remoteIp4: { ...address("user_ip4", BE32), write: true } },
  connect6: { ...CONNECT, remoteIp6: { field: "user_ip6", type: "ip6", write: true } },
  sockopt: SOCKOPT,
  setsockopt: {
    ...SOCKOPT,
    level: { ...option("level"), write: true },
    optname: { ...option("optname"), write: true },
  },
  tcpSock: kernelProperties("tcpSock"),
  ackSample: kernelProperties("ackSample"),
  rateSample: kernelProperties("rateSample"),
  mptcpSock: kernelProperties("mptcpSock"),
  subflow: kernelProperties("subflow"),
  subflowTcp: kernelProperties("subflowTcp"),
  getsockopt: { ...SOCKOPT, retval: { ...option("retval", I32), write: true } },
};

/** Names of the properties of a role that handlers may assign. */
export const assignable = ({ role }: { readonly role: Role }): readonly string[] =>
  Object.entries(PROPERTIES[role]).flatMap(([name, property]) => ("write" in property ? [name] : []));

/** A property of a role; undefined where it has none of that name. */
export const propertyNamed = ({ role }: { readonly role: Role }, name: string): ContextProperty | undefined =>
  Object.hasOwn(PROPERTIES[role], name) ? PROPERTIES[role][name] : undefined;
