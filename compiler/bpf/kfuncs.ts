/**
 * Functions of the kernel that programs call by name (kfuncs; Documentation/bpf/kfuncs.rst): unlike helpers they have no number, and the
 * loader finds them in the kernel's BTF. Keyed by the kernel's name.
 */
import type { Changes } from "./helpers.ts";
import type { Feature } from "./kernels.ts";
import type { Version } from "./verifier-rules.ts";

/** Iterators of the kernel's that lie on a program's stack (struct bpf_iter_NAME), and how many bytes they take. */
export const ITERATORS = { mptcp_subflow: { bytes: 16 } } as const;
export type IteratorName = keyof typeof ITERATORS;

/**
 * Types as the kernel's BTF has them. `struct`: a pointer to it, `iterator`: to an iterator on the stack. `boolean`: a byte, whatever lies
 * above it in the register.
 */
export type KfuncType =
  "void" | "number" | "boolean" | "void*" | { readonly struct: string } | { readonly iterator: IteratorName };

export interface Kfunc {
  readonly args: readonly KfuncType[];
  readonly returns: KfuncType;
  /** As of a helper. */
  readonly effect: "reads" | "writes";
  readonly changes?: readonly Changes[];
  /** Of a pointer that it returns: the struct that it is known to lead to, because the kernel says so of this function. */
  readonly trusted?: string;
  /** The pointer that it returns may be null (KF_RET_NULL). */
  readonly nullable?: true;
  /** What it does to its first argument, an iterator (KF_ITER_NEW, KF_ITER_NEXT, KF_ITER_DESTROY). */
  readonly iterates?: "new" | "next" | "destroy";
  /** The kinds of programs that may call it; absent: not known here. */
  readonly kinds?: readonly string[];
  /** Of struct_ops: functions of which struct may call it; absent: of any. */
  readonly ops?: string;
  /** What a kernel must have besides its version. */
  readonly needs?: Feature;
  /** The version of Linux that brought it to the program types that we compile. */
  readonly since: Version;
}

const TCP = { effect: "writes", changes: ["socket"], kinds: ["struct_ops"], since: "5.13" } as const;
const SOCK = { struct: "sock" } as const;
// net/mptcp/bpf.c: bpf_mptcp_sched_kfunc_ids, all of whose arguments must be trusted.
const SCHED = {
  effect: "writes",
  changes: ["socket"],
  kinds: ["struct_ops"],
  ops: "mptcp_sched_ops",
  needs: "mptcp-schedulers",
  since: "6.12",
} as const;
const SUBFLOW = { struct: "mptcp_subflow_context" } as const;
const SUBFLOWS = { iterator: "mptcp_subflow" } as const;

export const KFUNCS = {
  // net/ipv4/bpf_tcp_ca.c: bpf_tcp_ca_check_kfunc_ids.
  tcp_slow_start: { args: [{ struct: "tcp_sock" }, "number"], returns: "number", ...TCP },
  tcp_cong_avoid_ai: { args: [{ struct: "tcp_sock" }, "number", "number"], returns: "void", ...TCP },
  tcp_reno_ssthresh: { args: [SOCK], returns: "number", ...TCP },
  tcp_reno_cong_avoid: { args: [SOCK, "number", "number"], returns: "void", ...TCP },
  tcp_reno_undo_cwnd: { args: [SOCK], returns: "number", ...TCP },
  bpf_iter_mptcp_subflow_new: { args: [SUBFLOWS, SOCK], returns: "number", iterates: "new", ...SCHED },
  bpf_iter_mptcp_subflow_next: {
    args: [SUBFLOWS],
    returns: SUBFLOW,
    trusted: "mptcp_subflow_context",
    nullable: true,
    iterates: "next",
    ...SCHED,
  },
  bpf_iter_mptcp_subflow_destroy: { args: [SUBFLOWS], returns: "void", iterates: "destroy", ...SCHED },
  mptcp_subflow_set_scheduled: { args: [SUBFLOW, "number"], returns: "void", ...SCHED },
  mptcp_subflow_active: { args: [SUBFLOW], returns: "boolean", ...SCHED },
  mptcp_set_timeout: { args: [SOCK], returns: "void", ...SCHED },
  mptcp_wnd_end: { args: [{ struct: "mptcp_sock" }], returns: "number", ...SCHED },
  bpf_sk_stream_memory_free: { args: [SUBFLOW], returns: "boolean", ...SCHED },
  /** The subflow's socket: may be looked into, and cast by skc_to_tcp_sock. */
  bpf_mptcp_subflow_tcp_sock: { args: [SUBFLOW], returns: SOCK, nullable: true, ...SCHED },
  bpf_rcu_read_lock: { args: [], returns: "void", effect: "writes", since: "6.2" },
  bpf_rcu_read_unlock: { args: [], returns: "void", effect: "writes", since: "6.2" },
  /** The kernel's own context behind the one that programs see. Typed for sock_ops. */
  bpf_cast_to_kern_ctx: {
    args: ["void*"],
    returns: "void*",
    effect: "reads",
    trusted: "bpf_sock_ops_kern",
    since: "6.2",
  },
  bpf_sock_ops_enable_tx_tstamp: {
    args: [{ struct: "bpf_sock_ops_kern" }, "number"],
    returns: "number",
    effect: "writes",
    changes: ["socket", "packet"],
    since: "6.15",
  },
} as const satisfies Record<string, Kfunc>;
export type KfuncName = keyof typeof KFUNCS;

export const kfunc = (name: KfuncName): Kfunc => KFUNCS[name];
