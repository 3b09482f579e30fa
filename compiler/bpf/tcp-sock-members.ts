/** What programs see of the kernel's structs: the names of the language, and the kernel's members behind them. */
import type { ExtractedStruct } from "./kernel-types.ts";
import { MPTCP_SOCK, MPTCP_SUBFLOW } from "./mptcp-members.ts";
import { plain, type SeenMember } from "./seen-member.ts";

export type { SeenMember } from "./seen-member.ts";

/** struct tcp_sock and what it begins with. */
export const TCP_SOCK = {
  sndCwnd: plain("snd_cwnd"),
  sndCwndCnt: plain("snd_cwnd_cnt"),
  sndCwndClamp: plain("snd_cwnd_clamp"),
  sndCwndStamp: plain("snd_cwnd_stamp"),
  sndCwndUsed: plain("snd_cwnd_used"),
  sndSsthresh: plain("snd_ssthresh"),
  priorCwnd: plain("prior_cwnd"),
  priorSsthresh: plain("prior_ssthresh"),
  maxPacketsOut: plain("max_packets_out"),
  isCwndLimited: plain("is_cwnd_limited"),
  packetsOut: plain("packets_out"),
  lostOut: plain("lost_out"),
  sackedOut: plain("sacked_out"),
  retransOut: plain("retrans_out"),
  delivered: plain("delivered"),
  deliveredCe: plain("delivered_ce"),
  deliveredMstamp: plain("delivered_mstamp"),
  tcpMstamp: plain("tcp_mstamp"),
  lost: plain("lost"),
  appLimited: plain("app_limited"),
  rateDelivered: plain("rate_delivered"),
  rateIntervalUs: plain("rate_interval_us"),
  srttUs: { member: "srtt_us", eighths: true },
  rttvarUs: plain("rttvar_us"),
  mssCache: plain("mss_cache"),
  advmss: plain("advmss"),
  sndUna: plain("snd_una"),
  sndNxt: plain("snd_nxt"),
  sndWnd: plain("snd_wnd"),
  rcvNxt: plain("rcv_nxt"),
  rcvWnd: plain("rcv_wnd"),
  writeSeq: plain("write_seq"),
  highSeq: plain("high_seq"),
  undoMarker: plain("undo_marker"),
  reordering: plain("reordering"),
  lsndtime: plain("lsndtime"),
  wstampNs: plain("tcp_wstamp_ns"),
  ecnFlags: plain("ecn_flags"),
  bytesAcked: plain("bytes_acked"),
  bytesSent: plain("bytes_sent"),
  bytesRetrans: plain("bytes_retrans"),
  segsOut: plain("segs_out"),
  dataSegsOut: plain("data_segs_out"),
  totalRetrans: plain("total_retrans"),
  caState: plain("icsk_ca_state"),
  retransmits: plain("icsk_retransmits"),
  rto: plain("icsk_rto"),
  ackPending: plain("icsk_ack.pending"),
  pacingRate: plain("sk_pacing_rate"),
  pacingStatus: plain("sk_pacing_status"),
  maxPacingRate: plain("sk_max_pacing_rate"),
  pacingShift: plain("sk_pacing_shift"),
  sndbuf: plain("sk_sndbuf"),
  wmemQueued: plain("sk_wmem_queued"),
  gsoMaxSize: plain("sk_gso_max_size"),
  tcpState: { member: "skc_state", as: "tcp-state" },
  family: plain("skc_family"),
  localPort: plain("skc_num"),
  remotePort: { member: "skc_dport", as: "be16" },
  localIp4: { member: "skc_rcv_saddr", as: "be32" },
  remoteIp4: { member: "skc_daddr", as: "be32" },
} as const satisfies Record<string, SeenMember>;

/** struct ack_sample. */
export const ACK_SAMPLE = {
  pktsAcked: plain("pkts_acked"),
  rttUs: plain("rtt_us"),
  inFlight: plain("in_flight"),
} as const satisfies Record<string, SeenMember>;

/** struct rate_sample. */
export const RATE_SAMPLE = {
  priorMstamp: plain("prior_mstamp"),
  priorDelivered: plain("prior_delivered"),
  priorDeliveredCe: plain("prior_delivered_ce"),
  delivered: plain("delivered"),
  deliveredCe: plain("delivered_ce"),
  intervalUs: plain("interval_us"),
  sndIntervalUs: plain("snd_interval_us"),
  rcvIntervalUs: plain("rcv_interval_us"),
  rttUs: plain("rtt_us"),
  losses: plain("losses"),
  ackedSacked: plain("acked_sacked"),
  priorInFlight: plain("prior_in_flight"),
  isAppLimited: plain("is_app_limited"),
  isRetrans: plain("is_retrans"),
  isAckDelayed: plain("is_ack_delayed"),
} as const satisfies Record<string, SeenMember>;

/** By the kernel's name of the struct. */
export const SEEN_STRUCTS = {
  tcp_sock: TCP_SOCK,
  ack_sample: ACK_SAMPLE,
  rate_sample: RATE_SAMPLE,
  mptcp_sock: MPTCP_SOCK,
  mptcp_subflow_context: MPTCP_SUBFLOW,
} as const satisfies { readonly [S in ExtractedStruct]?: Readonly<Record<string, SeenMember>> };
export type SeenStruct = keyof typeof SEEN_STRUCTS;
