/**
 * sock_ops: events of TCP connections. struct bpf_sock_ops and its events: include/uapi/linux/bpf.h of Linux 6.12, and of the patched kernel (kernel/README.md).
 * A test compares this file with the headers.
 */
import { has, type Feature } from "../kernels.ts";
import type { ContextLayout } from "./access.ts";
import { rangesOf } from "./fields.ts";
import { SOCKET_CASTS } from "./helper-groups.ts";
import type { CompiledKind, ContextField } from "./kind.ts";

export const SOCK_OPS_FIELDS = {
  op: { offset: 0, bytes: 4, stable: true },
  /** Union of args[4], reply and replylong[4]. */
  args: { offset: 4, bytes: 4, count: 4, writable: true },
  family: { offset: 20, bytes: 4, stable: true },
  remote_ip4: { offset: 24, bytes: 4, stable: true, be: true },
  local_ip4: { offset: 28, bytes: 4, stable: true, be: true },
  remote_ip6: { offset: 32, bytes: 4, count: 4, stable: true, be: true },
  local_ip6: { offset: 48, bytes: 4, count: 4, stable: true, be: true },
  /** Network byte order in the upper 16 bits. */
  remote_port: { offset: 64, bytes: 4, stable: true, be: true },
  /** Host byte order. */
  local_port: { offset: 68, bytes: 4, stable: true },
  is_fullsock: { offset: 72, bytes: 4, stable: true },
  snd_cwnd: { offset: 76, bytes: 4, full: true },
  /** Microseconds, shifted left by 3. */
  srtt_us: { offset: 80, bytes: 4, full: true },
  bpf_sock_ops_cb_flags: { offset: 84, bytes: 4, full: true },
  /** Of any kind of socket: 12 for a request. */
  state: { offset: 88, bytes: 4 },
  rtt_min: { offset: 92, bytes: 4, full: true },
  snd_ssthresh: { offset: 96, bytes: 4, full: true },
  rcv_nxt: { offset: 100, bytes: 4, full: true },
  snd_nxt: { offset: 104, bytes: 4, full: true },
  snd_una: { offset: 108, bytes: 4, full: true },
  mss_cache: { offset: 112, bytes: 4, full: true },
  ecn_flags: { offset: 116, bytes: 4, full: true },
  rate_delivered: { offset: 120, bytes: 4, full: true },
  rate_interval_us: { offset: 124, bytes: 4, full: true },
  packets_out: { offset: 128, bytes: 4, full: true },
  retrans_out: { offset: 132, bytes: 4, full: true },
  total_retrans: { offset: 136, bytes: 4, full: true },
  segs_in: { offset: 140, bytes: 4, full: true },
  data_segs_in: { offset: 144, bytes: 4, full: true },
  segs_out: { offset: 148, bytes: 4, full: true },
  data_segs_out: { offset: 152, bytes: 4, full: true },
  lost_out: { offset: 156, bytes: 4, full: true },
  sacked_out: { offset: 160, bytes: 4, full: true },
  sk_txhash: { offset: 164, bytes: 4, writable: true, full: true },
  bytes_received: { offset: 168, bytes: 8, full: true },
  bytes_acked: { offset: 176, bytes: 8, full: true },
  sk: { offset: 184, bytes: 8, pointer: "socket-or-null", stable: true },
  skb_data: { offset: 192, bytes: 8, pointer: "packet" },
  skb_data_end: { offset: 200, bytes: 8, pointer: "packet-end" },
  skb_len: { offset: 208, bytes: 4, stable: true },
  skb_tcp_flags: { offset: 212, bytes: 4, stable: true, read: "up-to-4-at-start" },
  skb_hwtstamp: { offset: 216, bytes: 8, stable: true, since: "6.2" },
  mptcp_flags: { offset: 224, bytes: 4, needs: "event:mptcp-new-session" },
  mptcp_loc_token: { offset: 228, bytes: 4, stable: true, needs: "event:mptcp-new-session" },
  mptcp_rem_token: { offset: 232, bytes: 4, stable: true, needs: "event:mptcp-new-session" },
  mptcp_loc_key: { offset: 240, bytes: 8, stable: true, needs: "event:mptcp-new-session" },
  mptcp_rem_key: { offset: 248, bytes: 8, stable: true, needs: "event:mptcp-new-session" },
  mptcp_addr6: { offset: 256, bytes: 4, count: 4, stable: true, be: true, needs: "event:mptcp-new-session" },
  opt_data: { offset: 272, bytes: 4, count: 4, stable: true, needs: "tcp-option-events" },
} as const satisfies Record<string, ContextField>;
export type SockOpsField = keyof typeof SOCK_OPS_FIELDS;

/** Bits of skb_tcp_flags, as they lie in the header (RFC 9293). */
export const TCP_FLAGS = { fin: 0x01, syn: 0x02, rst: 0x04, psh: 0x08, ack: 0x10 } as const;
/** What args[0] of mainline's two events for options says of the segment (include/uapi/linux/bpf.h). */
export const WRITE_HEADER = { currentMss: 1, synAckCookie: 2 } as const;

export interface SockOpsEvent {
  readonly op: number;
  /** Name in the kernel's enum, without BPF_SOCK_OPS_ or BPF_. */
  readonly kernel: string;
  readonly needs: Feature;
  /** Happens with every segment that is sent or received, for sockets that ask for it. */
  readonly everySegment?: true;
}

/** Events by the name that `Op` has in the declarations. */
export const SOCK_OPS_EVENTS = {
  TimeoutInit: { op: 1, kernel: "BPF_SOCK_OPS_TIMEOUT_INIT", needs: "sock-ops" },
  ReceiveWindowInit: { op: 2, kernel: "BPF_SOCK_OPS_RWND_INIT", needs: "sock-ops" },
  TcpConnect: { op: 3, kernel: "BPF_SOCK_OPS_TCP_CONNECT_CB", needs: "sock-ops" },
  ActiveEstablished: { op: 4, kernel: "BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB", needs: "sock-ops" },
  PassiveEstablished: { op: 5, kernel: "BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB", needs: "sock-ops" },
  NeedsEcn: { op: 6, kernel: "BPF_SOCK_OPS_NEEDS_ECN", needs: "sock-ops" },
  BaseRtt: { op: 7, kernel: "BPF_SOCK_OPS_BASE_RTT", needs: "sock-ops" },
  Rto: { op: 8, kernel: "BPF_SOCK_OPS_RTO_CB", needs: "sock-ops" },
  Retrans: { op: 9, kernel: "BPF_SOCK_OPS_RETRANS_CB", needs: "sock-ops" },
  State: { op: 10, kernel: "BPF_SOCK_OPS_STATE_CB", needs: "sock-ops" },
  TcpListen: { op: 11, kernel: "BPF_SOCK_OPS_TCP_LISTEN_CB", needs: "sock-ops" },
  Rtt: { op: 12, kernel: "BPF_SOCK_OPS_RTT_CB", needs: "sock-ops", everySegment: true },
  ParseHeaderOption: { op: 13, kernel: "BPF_SOCK_OPS_PARSE_HDR_OPT_CB", needs: "header-options", everySegment: true },
  HeaderOptionLength: { op: 14, kernel: "BPF_SOCK_OPS_HDR_OPT_LEN_CB", needs: "header-options", everySegment: true },
  WriteHeaderOption: { op: 15, kernel: "BPF_SOCK_OPS_WRITE_HDR_OPT_CB", needs: "header-options", everySegment: true },
  OptionsSize: { op: 64, kernel: "BPF_TCP_OPTIONS_SIZE_CALC", needs: "tcp-option-events", everySegment: true },
  OptionsWrite: { op: 65, kernel: "BPF_TCP_OPTIONS_WRITE", needs: "tcp-option-events", everySegment: true },
  ParseOptions: { op: 66, kernel: "BPF_TCP_PARSE_OPTIONS", needs: "tcp-option-events", everySegment: true },
  MptcpNewSession: { op: 67, kernel: "BPF_MPTCP_NEW_SESSION", needs: "event:mptcp-new-session" },
  MptcpFullyEstablished: { op: 68, kernel: "BPF_MPTCP_FULLY_ESTABLISHED", needs: "event:mptcp-fully-established" },
  MptcpCloseSession: { op: 69, kernel: "BPF_MPTCP_CLOSE_SESSION", needs: "event:mptcp-close-session" },
  MptcpAddRemoteAddress: { op: 70, kernel: "BPF_MPTCP_ADD_RADDR", needs: "event:mptcp-add-remote-address" },
  MptcpRemoveRemoteAddress: { op: 71, kernel: "BPF_MPTCP_REM_RADDR", needs: "event:mptcp-remove-remote-address" },
  MptcpSubflowEstablished: {
    op: 72,
    kernel: "BPF_MPTCP_SUBFLOW_ESTABLISHED",
    needs: "event:mptcp-subflow-established",
  },
  MptcpSubflowClosed: { op: 73, kernel: "BPF_MPTCP_SUBFLOW_CLOSED", needs: "event:mptcp-subflow-closed" },
  MptcpAddLocalAddress: { op: 74, kernel: "BPF_MPTCP_ADD_LADDR", needs: "event:mptcp-add-local-address" },
  MptcpRemoveLocalAddress: { op: 75, kernel: "BPF_MPTCP_REM_LADDR", needs: "event:mptcp-remove-local-address" },
  MptcpAcceptSubflow: { op: 76, kernel: "BPF_MPTCP_ACCEPT_SUBFLOW", needs: "event:mptcp-accept-subflow" },
  MptcpSubflowPriority: { op: 77, kernel: "BPF_MPTCP_SUBFLOW_PRIORITY", needs: "event:mptcp-subflow-priority" },
  MptcpTimer: { op: 78, kernel: "BPF_MPTCP_TIMER", needs: "event:mptcp-timer" },
} as const satisfies Record<string, SockOpsEvent>;
export type SockOpsEventName = keyof typeof SOCK_OPS_EVENTS;

/** bpf_sock_ops_cb_flags: which callbacks a socket asks for. */
export const SOCK_OPS_CALLBACKS = {
  Rto: { bit: 0x01, needs: "sock-ops" },
  Retrans: { bit: 0x02, needs: "sock-ops" },
  State: { bit: 0x04, needs: "sock-ops" },
  Rtt: { bit: 0x08, needs: "sock-ops" },
  ParseAllOptions: { bit: 0x10, needs: "header-options" },
  ParseUnknownOptions: { bit: 0x20, needs: "header-options" },
  WriteOption: { bit: 0x40, needs: "header-options" },
  TcpOptions: { bit: 0x80, needs: "tcp-option-events" },
} as const satisfies Record<string, { readonly bit: number; readonly needs: Feature }>;

/** The bits that a kernel knows. */
export const callbacksOf = (kernel: Parameters<typeof has>[0]): number =>
  Object.values(SOCK_OPS_CALLBACKS).reduce((bits, { bit, needs }) => (has(kernel, needs) ? bits | bit : bits), 0);

const SOCK_OPS_BYTES = 288;

/** Without the paper's events programs may write `reply` alone, the first of the union's words. */
function sockOpsLayout(attach: number, features: ReadonlySet<Feature>): ContextLayout {
  const ranges = rangesOf(SOCK_OPS_FIELDS, attach);
  if (features.has("tcp-option-events")) return { bytes: SOCK_OPS_BYTES, ranges };
  return {
    bytes: SOCK_OPS_BYTES,
    ranges: ranges.flatMap((range) => {
      if (range.name !== "args") return [range];
      const { write: _write, ...args } = range;
      const reply = range.start + SOCK_OPS_FIELDS.args.bytes;
      return [
        { ...range, end: reply },
        { ...args, start: reply },
      ];
    }),
  };
}

export const sockOps = {
  number: 13,
  context: "bpf_sock_ops",
  attaches: "cgroup",
  onNetns: "netns_sock_ops",
  sections: { sockops: { attach: "cgroup_sock_ops" } },
  needs: "sock-ops",
  hooks: { sockOps: { section: "sockops", suffix: "", bpftool: "sock_ops" } },
  fields: SOCK_OPS_FIELDS,
  layout: sockOpsLayout,
  returns: [0, 1],
  socketMaps: "delete",
  // The last line is the patched kernel's.
  // prettier-ignore
  helpers: [
    "perf_event_output", "get_socket_cookie", "setsockopt", "sock_map_update", "getsockopt", "sock_ops_cb_flags_set",
    "sock_hash_update", "get_local_storage", "tcp_sock", "sk_storage_get", "sk_storage_delete", "get_netns_cookie",
    "load_hdr_opt", "store_hdr_opt", "reserve_hdr_opt", "ktime_get_coarse_ns", ...SOCKET_CASTS,
    "mptcp_open_subflow", "mptcp_close_subflow", "mptcp_set_priority", "mptcp_set_timer",
    "mptcp_announce_addr",
  ],
  later: { get_netns_cookie: "5.15" },
} as const satisfies CompiledKind;
