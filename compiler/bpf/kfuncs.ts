/**
 * Functions of the kernel that programs call by name (kfuncs; Documentation/bpf/kfuncs.rst): unlike helpers they have no number, and the
 * loader finds them in the kernel's BTF. Keyed by the kernel's name.
 */
import type { Changes } from "./helpers.ts";
import type { Version } from "./verifier-rules.ts";

/** Types as the kernel's BTF has them. `struct`: a pointer to it. */
export type KfuncType = "void" | "number" | "void*" | { readonly struct: string };

export interface Kfunc {
  readonly args: readonly KfuncType[];
  readonly returns: KfuncType;
  /** As of a helper. */
  readonly effect: "reads" | "writes";
  readonly changes?: readonly Changes[];
  /** Of a pointer that it returns: the struct that it is known to lead to, because the kernel says so of this function. */
  readonly trusted?: string;
  /** The kinds of programs that may call it; absent: not known here. */
  readonly kinds?: readonly string[];
  /** The version of Linux that brought it to the program types that we compile. */
  readonly since: Version;
}

const TCP = { effect: "writes", changes: ["socket"], kinds: ["struct_ops"], since: "5.13" } as const;
const SOCK = { struct: "sock" } as const;

export const KFUNCS = {
  // net/ipv4/bpf_tcp_ca.c: bpf_tcp_ca_check_kfunc_ids.
  tcp_slow_start: { args: [{ struct: "tcp_sock" }, "number"], returns: "number", ...TCP },
  tcp_cong_avoid_ai: { args: [{ struct: "tcp_sock" }, "number", "number"], returns: "void", ...TCP },
  tcp_reno_ssthresh: { args: [SOCK], returns: "number", ...TCP },
  tcp_reno_cong_avoid: { args: [SOCK, "number", "number"], returns: "void", ...TCP },
  tcp_reno_undo_cwnd: { args: [SOCK], returns: "number", ...TCP },
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
