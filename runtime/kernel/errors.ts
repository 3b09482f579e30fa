/** What the runtime can say when it cannot go on: one stable key each, a message, and one thing to do. */
import { errnoName } from "./errno-name.ts";

export type RuntimeErrorKey =
  | "not-permitted"
  | "no-bpf"
  | "kernel-lacks"
  | "bad-object"
  | "bad-param"
  | "bad-value"
  | "bad-argument"
  | "kind-not-taken"
  | "no-cgroup"
  | "no-bpffs"
  | "unsafe-pins"
  | "no-netns"
  | "not-found"
  | "in-use"
  | "ended"
  | "pin-exists"
  | "pin-differs"
  | "rejected"
  | "map-create"
  | "map-full"
  | "map-operation"
  | "attach"
  | "netlink"
  | "closed"
  | "system";

/** The one error type of the runtime. `log` is the kernel's own text, whole, where there is one. */
export class RuntimeError extends Error {
  override readonly name = "RuntimeError";
  readonly key: RuntimeErrorKey;
  readonly help: string | undefined;
  /** Positive errno of the system call behind it, 0 when there was none. */
  readonly errno: number;
  readonly log: string | undefined;
  constructor(
    key: RuntimeErrorKey,
    message: string,
    more: { readonly help?: string | undefined; readonly errno?: number; readonly log?: string } = {},
  ) {
    super(message);
    this.key = key;
    this.help = more.help;
    this.errno = Math.abs(more.errno ?? 0);
    this.log = more.log;
  }
}

/** What to do about an errno of bpf(2) that says nothing by itself. */
const REMEDIES: Readonly<Record<number, string>> = {
  1: "run as root, or with CAP_BPF and CAP_NET_ADMIN (CAP_PERFMON and CAP_SYS_ADMIN for some map and program types)",
  13: "the verifier refused it; see the log",
  12: "raise the memory limit (ulimit -l, or the cgroup's memory.max), or make the maps smaller",
  22: "the running kernel does not know this command, map type or flag; `tsbpf doctor` lists what it offers",
  38: "this kernel has no bpf(2): CONFIG_BPF_SYSCALL is off",
};

/** An error for a failed system call: "map create hits: EPERM". */
export function failed(key: RuntimeErrorKey, what: string, errno: number, help?: string): RuntimeError {
  const positive = Math.abs(errno);
  return new RuntimeError(positive === 1 ? "not-permitted" : key, `${what}: ${errnoName(errno)}`, {
    errno: positive,
    help: help ?? REMEDIES[positive],
  });
}
