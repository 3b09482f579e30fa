/** What programs see of an MPTCP session and of its subflows: the names of the language, and the kernel's members behind them. */
import { plain, type SeenMember } from "./seen-member.ts";

/** struct mptcp_sock and what it begins with. */
export const MPTCP_SOCK = {
  token: plain("token"),
  writeSeq: plain("write_seq"),
  sndNxt: plain("snd_nxt"),
  sndUna: plain("snd_una"),
  sndBurst: plain("snd_burst"),
  bytesSent: plain("bytes_sent"),
  bytesAcked: plain("bytes_acked"),
  bytesRetrans: plain("bytes_retrans"),
  bytesReceived: plain("bytes_received"),
  recovery: plain("recovery"),
  tos: plain("tos"),
  priority: plain("sk_priority"),
  wmemQueued: plain("sk_wmem_queued"),
  sndbuf: plain("sk_sndbuf"),
  family: plain("skc_family"),
  localPort: plain("skc_num"),
  remotePort: { member: "skc_dport", as: "be16" },
} as const satisfies Record<string, SeenMember>;

/** struct mptcp_subflow_context. */
export const MPTCP_SUBFLOW = {
  subflowId: plain("subflow_id"),
  localId: plain("local_id"),
  remoteId: plain("remote_id"),
  backup: plain("backup"),
  requestBackup: plain("request_bkup"),
  stale: plain("stale"),
  staleCount: plain("stale_count"),
  scheduled: plain("scheduled"),
  avgPacingRate: plain("avg_pacing_rate"),
} as const satisfies Record<string, SeenMember>;
