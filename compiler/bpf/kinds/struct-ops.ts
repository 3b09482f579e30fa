/**
 * struct_ops: functions that the kernel calls through a struct of function pointers ("struct tcp_congestion_ops"). A program's context is the
 * list of the function's arguments, eight bytes each.
 */
import type { HelperName } from "../helpers.ts";
import type { Version } from "../verifier-rules.ts";
import type { CompiledKind } from "./kind.ts";

/** An argument: a pointer that the kernel vouches for, or a number of so many bytes. */
export type OpArgument = { readonly struct: string } | { readonly bytes: 1 | 2 | 4 | 8; readonly signed?: true };
export interface OpMember {
  /** The kernel's name. */
  readonly member: string;
  readonly args: readonly OpArgument[];
  readonly returns?: "number";
  /** The first version of Linux in which it is called so. */
  readonly since?: Version;
}

// The kernel says `struct sock`, and takes a program's for what it is (bpf_tcp_ca_is_valid_access).
const SK = { struct: "tcp_sock" } as const;
const U32 = { bytes: 4 } as const;
/** struct tcp_congestion_ops (include/net/tcp.h), by the names of the handlers. */
export const CONGESTION_OPS = {
  init: { member: "init", args: [SK] },
  release: { member: "release", args: [SK] },
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

/** Members without which the kernel refuses a congestion control (tcp_validate_congestion_control), by handler: one of each list. */
export const NEEDED_OPS: readonly (readonly CongestionHandler[])[] = [
  ["ssthresh"],
  ["undoCwnd"],
  ["congAvoid", "congControl"],
];

/** TCP_CA_NAME_MAX, less the final zero. */
export const LONGEST_CC_NAME = 15;
/** Bytes of `name`. */
export const CC_NAME_BYTES = 16;
/** TCP_CONG_NON_RESTRICTED and TCP_CONG_NEEDS_ECN. */
export const CC_FLAGS = { nonRestricted: 1, needsEcn: 2 } as const;

/** The structs whose members are known, by the kernel's name. */
const STRUCTS: Readonly<Record<string, readonly OpMember[]>> = {
  tcp_congestion_ops: Object.values(CONGESTION_OPS),
};
/** What the kernel calls by this name; undefined where it is not known here. */
export const opMember = (struct: string, member: string): OpMember | undefined =>
  Object.hasOwn(STRUCTS, struct) ? STRUCTS[struct]!.find((one) => one.member === member) : undefined;

/**
 * Members of tcp_sock, and of what it begins with, that programs may write: bpf_tcp_ca_btf_struct_access (net/ipv4/bpf_tcp_ca.c of Linux
 * 6.18). Inside of icsk_ca_priv anywhere, else from the member's beginning.
 */
export const WRITABLE_MEMBERS = [
  "sk_pacing_rate",
  "sk_pacing_status",
  "icsk_ca_priv",
  "icsk_ack.pending",
  "snd_cwnd",
  "snd_cwnd_cnt",
  "snd_cwnd_stamp",
  "snd_ssthresh",
  "ecn_flags",
  "app_limited",
] as const;
export const PRIVATE_AREA = "icsk_ca_priv";

// prettier-ignore
const HELPERS = [
  "tcp_send_ack", "sk_storage_get", "sk_storage_delete", "setsockopt", "getsockopt", "ktime_get_coarse_ns",
] as const satisfies readonly HelperName[];

const hook = (member: string) => ({ section: `struct_ops/${member}`, suffix: `_${member}`, bpftool: "struct_ops" });
export const structOps = {
  number: 27,
  attaches: "struct_ops",
  sections: { struct_ops: { prefix: true }, "struct_ops.s": { prefix: true } },
  needs: "congestion-control",
  hooks: {
    init: hook("init"),
    release: hook("release"),
    ssthresh: hook("ssthresh"),
    congAvoid: hook("cong_avoid"),
    setState: hook("set_state"),
    cwndEvent: hook("cwnd_event"),
    inAckEvent: hook("in_ack_event"),
    pktsAcked: hook("pkts_acked"),
    minTsoSegs: hook("min_tso_segs"),
    congControl: hook("cong_control"),
    undoCwnd: hook("undo_cwnd"),
    sndbufExpand: hook("sndbuf_expand"),
  },
  // The arguments differ from member to member.
  fields: {},
  helpers: HELPERS,
} as const satisfies CompiledKind;
