/** struct tcp_congestion_ops (include/net/tcp.h): congestion controls. */
import type { OpMember, OpsStruct } from "./ops-struct.ts";

// The kernel says `struct sock`, and takes a program's for what it is (bpf_tcp_ca_is_valid_access).
const SK = { struct: "tcp_sock" } as const;
const U32 = { bytes: 4 } as const;
export const CONGESTION_OPS = {
  init: { member: "init", args: [SK] },
  // Choosing another congestion control would call it again (bpf_tcp_ca_get_func_proto).
  release: { member: "release", args: [SK], forbids: ["setsockopt", "getsockopt"] },
  ssthresh: { member: "ssthresh", args: [SK], returns: "number" },
  congAvoid: { member: "cong_avoid", args: [SK, U32, U32] },
  setState: { member: "set_state", args: [SK, { bytes: 1 }] },
  cwndEvent: { member: "cwnd_event", args: [SK, U32] },
  inAckEvent: { member: "in_ack_event", args: [SK, U32] },
  pktsAcked: { member: "pkts_acked", args: [SK, { struct: "ack_sample" }] },
  minTsoSegs: { member: "min_tso_segs", args: [SK], returns: "number" },
  congControl: {
    member: "cong_control",
    args: [SK, U32, { bytes: 4, signed: true }, { struct: "rate_sample" }],
    since: "6.10",
  },
  undoCwnd: { member: "undo_cwnd", args: [SK], returns: "number" },
  sndbufExpand: { member: "sndbuf_expand", args: [SK], returns: "number" },
} as const satisfies Record<string, OpMember>;
export type CongestionHandler = keyof typeof CONGESTION_OPS;

/** Of each connection, for the congestion control. */
export const PRIVATE_AREA = "icsk_ca_priv";

export const congestionOps = {
  needs: "congestion-control",
  members: CONGESTION_OPS,
  // tcp_validate_congestion_control (net/ipv4/tcp_cong.c).
  needed: [["ssthresh"], ["undoCwnd"], ["congAvoid", "congControl"]] satisfies CongestionHandler[][],
  helpers: ["tcp_send_ack", "sk_storage_get", "sk_storage_delete", "setsockopt", "getsockopt", "ktime_get_coarse_ns"],
  // TCP_CA_NAME_MAX.
  named: { what: "a congestion control", bytes: 16 },
  // bpf_tcp_ca_btf_struct_access (net/ipv4/bpf_tcp_ca.c of Linux 6.18); members of what tcp_sock begins with, too.
  writes: {
    tcp_sock: {
      members: [
        "sk_pacing_rate",
        "sk_pacing_status",
        PRIVATE_AREA,
        "icsk_ack.pending",
        "snd_cwnd",
        "snd_cwnd_cnt",
        "snd_cwnd_stamp",
        "snd_ssthresh",
        "ecn_flags",
        "app_limited",
      ],
      anywhere: [PRIVATE_AREA],
    },
  },
} as const satisfies OpsStruct;

/** TCP_CONG_NON_RESTRICTED and TCP_CONG_NEEDS_ECN. */
export const CC_FLAGS = { nonRestricted: 1, needsEcn: 2 } as const;
