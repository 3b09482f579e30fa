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
  /** The version of Linux that brought it to the program types that we compile. */
  readonly since: Version;
}

export const KFUNCS = {
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
