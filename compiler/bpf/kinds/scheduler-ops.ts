/** struct mptcp_sched_ops (include/net/mptcp.h): which subflow of an MPTCP session sends next. Upstream's, of Linux 6.15 and later. */
import type { OpMember, OpsStruct } from "./ops-struct.ts";

const MSK = { struct: "mptcp_sock" } as const;
const SCHEDULER_OPS = {
  getSend: { member: "get_send", args: [MSK], returns: "success" },
  getRetrans: { member: "get_retrans", args: [MSK], returns: "success" },
  init: { member: "init", args: [MSK] },
  release: { member: "release", args: [MSK] },
} as const satisfies Record<string, OpMember>;

export const schedulerOps = {
  needs: "mptcp-schedulers",
  members: SCHEDULER_OPS,
  // mptcp_validate_scheduler (net/mptcp/sched.c); without get_retrans, get_send is asked.
  needed: [["getSend"]],
  // Linux's bpf_mptcp_sched_get_func_proto (net/mptcp/bpf.c).
  helpers: ["sk_storage_get", "sk_storage_delete", "skc_to_tcp6_sock", "skc_to_tcp_sock"],
  // MPTCP_SCHED_NAME_MAX.
  named: { what: "a scheduler", bytes: 16 },
  // bpf_mptcp_sched_btf_struct_access (net/mptcp/bpf.c).
  writes: {
    mptcp_sock: { members: ["snd_burst"] },
    mptcp_subflow_context: { members: ["avg_pacing_rate"] },
  },
} as const satisfies OpsStruct;
