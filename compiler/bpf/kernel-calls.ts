/**
 * What a kernel's BTF does not tell of the functions that programs call (kfuncs): their flags, and which programs may call them (kernel/bpf/helpers.c,
 * kernel/bpf/cpumask.c, net/ipv4/tcp_cubic.c, tcp_dctcp.c, tcp_bbr.c; net/mptcp/bpf.c of the patched kernel). For objects of other compilers: those
 * that this one calls are in kfuncs.ts. Keyed by the kernel's name.
 */
import type { Feature } from "./kernels.ts";
import type { Version } from "./verifier-rules.ts";

/** KF_ACQUIRE and so on. */
export type CallFlag =
  | "acquire"
  | "release"
  | "ret-null"
  /** KF_TRUSTED_ARGS, KF_RCU: what its pointers must be. */
  | "trusted"
  | "rcu"
  | "sleepable"
  /** KF_RCU_PROTECTED: what it gives lives as long as an RCU section. */
  | "rcu-protected"
  | "iter-new"
  | "iter-next"
  | "iter-destroy";
export interface KernelCall {
  readonly flags: readonly CallFlag[];
  /** Types of programs that may call it; absent: all. */
  readonly kinds?: readonly string[];
  /** Of struct_ops: functions of which struct. */
  readonly ops?: string;
  readonly needs?: Feature;
  readonly since: Version;
}

type Table = Readonly<Record<string, KernelCall>>;
const named = (names: readonly string[], call: KernelCall): Table =>
  Object.fromEntries(names.map((name) => [name, call]));
/** An iterator is three functions. */
const iterator = (name: string, call: Omit<KernelCall, "flags">, flags: readonly CallFlag[] = []): Table => ({
  [`bpf_iter_${name}_new`]: { ...call, flags: ["iter-new", ...flags] },
  [`bpf_iter_${name}_next`]: { ...call, flags: ["iter-next", "ret-null"] },
  [`bpf_iter_${name}_destroy`]: { ...call, flags: ["iter-destroy"] },
});

const STRUCT_OPS = ["struct_ops"] as const;
const CONTROL = { flags: [], kinds: STRUCT_OPS, since: "5.13" } as const;
const SCHED = { kinds: STRUCT_OPS, ops: "mptcp_sched_ops", needs: "mptcp-schedulers", since: "6.12" } as const;
const TRACING = ["tracing", "tracepoint", "perf_event", "lsm"] as const;
/** What is for one kind of program of cgroups is for most. */
const CGROUP = [
  "cgroup_skb",
  "cgroup_sock",
  "cgroup_device",
  "cgroup_sock_addr",
  "cgroup_sockopt",
  "cgroup_sysctl",
] as const;
const GENERIC = { kinds: [...TRACING, ...CGROUP, "sched_cls", "xdp", "struct_ops", "syscall"], since: "6.12" } as const;
const CPUMASK = { kinds: [...TRACING, "struct_ops", "syscall"], since: "6.12" } as const;

const KERNEL_CALLS: Table = {
  ...named(
    ["tcp_slow_start", "tcp_cong_avoid_ai", "tcp_reno_ssthresh", "tcp_reno_cong_avoid", "tcp_reno_undo_cwnd"],
    CONTROL,
  ),
  ...named(
    [
      "cubictcp_init",
      "cubictcp_recalc_ssthresh",
      "cubictcp_cong_avoid",
      "cubictcp_state",
      "cubictcp_cwnd_event",
      "cubictcp_acked",
      "dctcp_init",
      "dctcp_update_alpha",
      "dctcp_cwnd_event",
      "dctcp_ssthresh",
      "dctcp_cwnd_undo",
      "dctcp_state",
      "bbr_init",
      "bbr_main",
      "bbr_sndbuf_expand",
      "bbr_undo_cwnd",
      "bbr_cwnd_event",
      "bbr_ssthresh",
      "bbr_min_tso_segs",
      "bbr_set_state",
    ],
    CONTROL,
  ),
  ...iterator("mptcp_subflow", SCHED, ["trusted"]),
  ...named(["bpf_mptcp_subflow_ctx", "bpf_mptcp_subflow_tcp_sock"], { ...SCHED, flags: ["trusted", "ret-null"] }),
  ...named(
    [
      "bpf_sk_stream_memory_free",
      "mptcp_subflow_active",
      "mptcp_subflow_set_scheduled",
      "mptcp_set_timeout",
      "mptcp_wnd_end",
    ],
    { ...SCHED, flags: ["trusted"] },
  ),
  ...iterator("num", { since: "6.4" }),
  ...iterator("bits", { since: "6.12" }),
  ...iterator("task_vma", { since: "6.12" }, ["rcu"]),
  ...iterator("task", { since: "6.12" }, ["trusted", "rcu-protected"]),
  ...iterator("css", { since: "6.12" }, ["trusted", "rcu-protected"]),
  ...named(["bpf_rcu_read_lock", "bpf_rcu_read_unlock"], { flags: [], since: "6.2" }),
  ...named(["bpf_preempt_disable", "bpf_preempt_enable"], { flags: [], since: "6.12" }),
  ...named(["bpf_task_acquire"], { ...GENERIC, flags: ["acquire", "rcu", "ret-null"] }),
  ...named(["bpf_task_release"], { ...GENERIC, flags: ["release"] }),
  ...named(["bpf_task_from_pid"], { ...GENERIC, flags: ["acquire", "ret-null"] }),
  ...named(["bpf_cgroup_acquire", "bpf_cgroup_ancestor"], { ...GENERIC, flags: ["acquire", "rcu", "ret-null"] }),
  ...named(["bpf_cgroup_release"], { ...GENERIC, flags: ["release"] }),
  ...named(["bpf_cgroup_from_id"], { ...GENERIC, flags: ["acquire", "ret-null"] }),
  ...named(["bpf_task_under_cgroup"], { ...GENERIC, flags: ["rcu"] }),
  ...named(["bpf_cpumask_create"], { ...CPUMASK, flags: ["acquire", "ret-null"] }),
  ...named(["bpf_cpumask_release"], { ...CPUMASK, flags: ["release"] }),
  ...named(["bpf_cpumask_acquire"], { ...CPUMASK, flags: ["acquire", "trusted"] }),
  ...named(
    [
      "bpf_cpumask_first",
      "bpf_cpumask_first_zero",
      "bpf_cpumask_first_and",
      "bpf_cpumask_set_cpu",
      "bpf_cpumask_clear_cpu",
      "bpf_cpumask_test_cpu",
      "bpf_cpumask_test_and_set_cpu",
      "bpf_cpumask_test_and_clear_cpu",
      "bpf_cpumask_setall",
      "bpf_cpumask_clear",
      "bpf_cpumask_and",
      "bpf_cpumask_or",
      "bpf_cpumask_xor",
      "bpf_cpumask_equal",
      "bpf_cpumask_intersects",
      "bpf_cpumask_subset",
      "bpf_cpumask_empty",
      "bpf_cpumask_full",
      "bpf_cpumask_copy",
      "bpf_cpumask_any_distribute",
      "bpf_cpumask_any_and_distribute",
      "bpf_cpumask_weight",
    ],
    { ...CPUMASK, flags: ["rcu"] },
  ),
};
/** What is known of a function of the kernel; undefined: nothing. */
export const kernelCall = (name: string): KernelCall | undefined =>
  Object.hasOwn(KERNEL_CALLS, name) ? KERNEL_CALLS[name] : undefined;

/** Tracepoints whose arguments are never null (kernel/bpf/btf.c has a list of those that may be); others are not judged. */
export const CERTAIN_TRACEPOINTS: ReadonlySet<string> = new Set(["task_newtask", "cgroup_mkdir", "tcp_probe"]);

/** What pointers that maps keep (kptr) lead to as long as an RCU section lasts (rcu_protected_types). */
export const KEPT_BY_RCU: ReadonlySet<string> = new Set(["task_struct", "cgroup", "bpf_cpumask"]);

/** Members that lead where their struct itself may be trusted to lead (kernel/bpf/verifier.c, BTF_TYPE_SAFE_…), of 6.12 and later. */
type Trust = "trusted" | "trusted-or-null" | "rcu" | "rcu-or-null";
const TRUSTED_MEMBERS: Readonly<Record<string, Readonly<Record<string, Trust>>>> = {
  task_struct: { cpus_ptr: "rcu", cgroups: "rcu", real_parent: "rcu", group_leader: "rcu" },
  cgroup: { kn: "rcu" },
  css_set: { dfl_cgrp: "rcu" },
  mm_struct: { exe_file: "rcu-or-null" },
  sk_buff: { sk: "rcu-or-null" },
  request_sock: { sk: "rcu-or-null" },
  bpf_iter_meta: { seq: "trusted" },
  bpf_iter__task: { meta: "trusted", task: "trusted" },
  linux_binprm: { file: "trusted" },
  file: { f_inode: "trusted" },
  socket: { sk: "trusted-or-null" },
};
export const trustOf = (struct: string, member: string): Trust | undefined => {
  const row = Object.hasOwn(TRUSTED_MEMBERS, struct) ? TRUSTED_MEMBERS[struct]! : {};
  return Object.hasOwn(row, member) ? row[member] : undefined;
};
