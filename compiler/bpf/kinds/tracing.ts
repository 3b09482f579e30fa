/** Kinds that watch the kernel itself. */
import { SOCKET_CASTS, TRACING } from "./helper-groups.ts";
import type { Kind } from "./kind.ts";

const PREFIX = { prefix: true } as const;

export const kprobe = {
  number: 2,
  context: "pt_regs",
  sections: {
    kprobe: PREFIX,
    kretprobe: PREFIX,
    uprobe: PREFIX,
    uretprobe: PREFIX,
    "uprobe.s": PREFIX,
    "uretprobe.s": PREFIX,
    ksyscall: PREFIX,
    kretsyscall: PREFIX,
    usdt: PREFIX,
    "kprobe.multi": { attach: "trace_kprobe_multi", prefix: true },
    "kretprobe.multi": { attach: "trace_kprobe_multi", prefix: true },
  },
  layout: { bytes: 168, ranges: [{ name: "pt_regs", start: 0, end: 168, read: "inside" }] },
  helpers: TRACING,
} as const satisfies Kind;

export const tracepoint = {
  number: 5,
  sections: { tracepoint: PREFIX, tp: PREFIX },
  layout: { bytes: 8192, ranges: [{ name: "(record)", start: 8, end: 8192, read: "up-to-8" }] },
  helpers: TRACING,
} as const satisfies Kind;

export const rawTracepoint = {
  number: 17,
  context: "bpf_raw_tracepoint_args",
  sections: { raw_tracepoint: PREFIX, raw_tp: PREFIX },
  layout: { bytes: 96, ranges: [{ name: "args", start: 0, end: 96, read: "up-to-8" }] },
  helpers: TRACING,
} as const satisfies Kind;

export const rawTracepointWritable = {
  number: 24,
  context: "bpf_raw_tracepoint_args",
  sections: { "raw_tracepoint.w": PREFIX, "raw_tp.w": PREFIX },
  helpers: TRACING,
} as const satisfies Kind;

export const perfEvent = {
  number: 7,
  context: "bpf_perf_event_data",
  sections: { perf_event: {} },
  layout: {
    bytes: 184,
    ranges: [
      { name: "regs", start: 0, end: 168, read: 8 },
      { name: "sample_period", start: 168, end: 176, read: "up-to-8" },
      { name: "addr", start: 176, end: 184, read: "up-to-8" },
    ],
  },
  helpers: [...TRACING, "perf_prog_read_value", "read_branch_records"],
} as const satisfies Kind;

export const tracing = {
  number: 26,
  sections: {
    tp_btf: { attach: "trace_raw_tp", prefix: true },
    fentry: { attach: "trace_fentry", prefix: true },
    "fentry.s": { attach: "trace_fentry", prefix: true },
    fexit: { attach: "trace_fexit", prefix: true },
    "fexit.s": { attach: "trace_fexit", prefix: true },
    fmod_ret: { attach: "modify_return", prefix: true },
    "fmod_ret.s": { attach: "modify_return", prefix: true },
    iter: { attach: "trace_iter", prefix: true },
    "iter.s": { attach: "trace_iter", prefix: true },
  },
  // bpf_sk_storage_get_tracing_proto and its sibling take a socket that may be missing.
  signatures: {
    sk_storage_get: ["map", "btf-sock-or-null", "value-or-null", "any"],
    sk_storage_delete: ["map", "btf-sock-or-null"],
  },
  // Of tracepoints with types (tp_btf): the rest depends on what is traced.
  helpers: [
    ...TRACING,
    "skb_output",
    "xdp_output",
    "sock_from_file",
    "get_socket_cookie",
    "sk_storage_get",
    "sk_storage_delete",
    ...SOCKET_CASTS,
  ],
} as const satisfies Kind;

export const lsm = {
  number: 29,
  sections: {
    lsm: { attach: "lsm_mac", prefix: true },
    "lsm.s": { attach: "lsm_mac", prefix: true },
    lsm_cgroup: { attach: "lsm_cgroup", prefix: true },
  },
} as const satisfies Kind;
