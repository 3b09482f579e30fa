/** The targets: what a kernel has and which limits hold there. Asking is `has(kernel, feature)`, never a version comparison. */

import { kernelTypes, type KernelTypes } from "./kernel-types.ts";
import { isAtLeast, NEWEST, OLDEST, releaseOf, versionIn, type Release, type Version } from "./verifier-rules.ts";

export type TargetName = "mainline" | "patched";

/** What an object may need of a kernel. The loader's `doctor` and the object's needs speak in these keys. */
export const FEATURES = {
  "sock-ops": "sock_ops programs on a cgroup-v2 directory",
  "connect-hooks": "cgroup/connect4 and connect6 programs (Linux 4.17)",
  "sockopt-hooks": "cgroup/getsockopt and setsockopt programs (Linux 5.3)",
  "congestion-control": "congestion control by struct_ops (Linux 5.13)",
  "struct-ops-links": "struct_ops that stay registered by a link (Linux 6.4)",
  "header-options": "header-option callbacks and helpers (Linux 5.10)",
  "tcp-option-events": "the paper's option events: size, write, parse",
  "event:mptcp-new-session": "MPTCP session created",
  "event:mptcp-fully-established": "MPTCP subflow fully established",
  "event:mptcp-close-session": "MPTCP session closed",
  "event:mptcp-add-remote-address": "MPTCP ADD_ADDR received",
  "event:mptcp-remove-remote-address": "MPTCP REMOVE_ADDR received",
  "event:mptcp-subflow-established": "MPTCP subflow established",
  "event:mptcp-subflow-closed": "MPTCP subflow closed",
  "event:mptcp-add-local-address": "address added to this host, told to every session",
  "event:mptcp-remove-local-address": "address removed from this host, told to every session",
  "event:mptcp-accept-subflow": "incoming MPTCP subflow may be refused",
  "event:mptcp-subflow-priority": "MP_PRIO received",
  "helper:mptcp-open-subflow": "bpf_mptcp_open_subflow",
  "helper:mptcp-close-subflow": "bpf_mptcp_close_subflow",
  "helper:mptcp-set-priority": "bpf_mptcp_set_priority",
  "delayed-ack-options": "delayed-ACK socket options from BPF",
  "bpf-delack-max": "TCP_BPF_DELACK_MAX and TCP_BPF_RTO_MIN from BPF",
  "user-timeout-get": "TCP_USER_TIMEOUT read from BPF (Linux 6.1)",
  "ring-buffer": "BPF ring buffers (Linux 5.8)",
  "socket-storage": "per-socket storage from sock_ops (Linux 5.9)",
  "lpm-trie": "longest-prefix-match tries",
} as const;
export type Feature = keyof typeof FEATURES;

/** The first version of Linux that has a feature, of those that some kernels of a target lack. */
export const FEATURE_SINCE: Readonly<Partial<Record<Feature, Version>>> = {
  "user-timeout-get": "6.1",
  "congestion-control": "5.13",
  "struct-ops-links": "6.4",
};

export interface Kernel {
  readonly name: TargetName;
  readonly about: string;
  /** The oldest version that must take what is emitted, and that has what it needs. */
  readonly oldest: Version;
  /** The newest known version that is of the target: one that is a single release has the same as the oldest. */
  readonly newest: Version;
  /** Least instruction-set level: v3 has 32-bit ALU and jumps, v4 signed division, sign-extending moves and loads. */
  readonly isa: "v1" | "v2" | "v3" | "v4";
  readonly features: ReadonlySet<Feature>;
  /** Instruction slots of one program. */
  readonly maxInsns: number;
  /** Bytes. */
  readonly maxStack: number;
  /** Longest option (kind and length included) that a tcpOption may write, in bytes. */
  readonly maxOption: number;
  /** TCP header space for options, in bytes. */
  readonly maxOptionSpace: number;
  /** CONFIG_HZ, to which timers are rounded: of most distributions, and of kernel/config. For models; others are met. */
  readonly hz: number;
  /** The kernel's structs as programs are compiled with them. */
  readonly types: KernelTypes;
}

const everywhere = [
  "sock-ops",
  "connect-hooks",
  "sockopt-hooks",
  "congestion-control",
  "struct-ops-links",
  "ring-buffer",
  "socket-storage",
  "lpm-trie",
  "user-timeout-get",
  "bpf-delack-max",
  "header-options",
] as const;

const ROWS = {
  mainline: {
    name: "mainline",
    about: "Linux 5.10 and later, as distributed",
    oldest: OLDEST,
    newest: NEWEST,
    isa: "v3",
    features: new Set<Feature>(everywhere),
    maxInsns: 4096,
    maxStack: 512,
    maxOption: 40,
    maxOptionSpace: 40,
    hz: 250,
  },
  patched: {
    name: "patched",
    about: "Linux 6.12 with the patches of kernel/",
    oldest: "6.12",
    newest: "6.12",
    isa: "v3",
    features: new Set<Feature>(Object.keys(FEATURES) as Feature[]),
    maxInsns: 4096,
    maxStack: 512,
    maxOption: 16,
    maxOptionSpace: 40,
    hz: 1000,
  },
} as const satisfies Record<TargetName, Omit<Kernel, "types">>;
/** With the types of the repository; read when they are first wanted. */
const withTypes = <T extends Omit<Kernel, "types">>(kernel: T): T & Pick<Kernel, "types"> =>
  Object.defineProperty(kernel as T & Pick<Kernel, "types">, "types", {
    get: kernelTypes,
    enumerable: true,
    configurable: true,
  });
export const kernels = { mainline: withTypes(ROWS.mainline), patched: withTypes(ROWS.patched) };

export const TARGETS = Object.keys(kernels) as readonly TargetName[];
export const isTarget = (name: string): name is TargetName => Object.hasOwn(kernels, name);

/** The kernel that an object says it is for; objects of other compilers name none and are taken for mainline's. */
export const kernelNamed = (name: string): Kernel => (isTarget(name) ? kernels[name] : kernels.mainline);

/** Whether a target is more than one release, so that its objects say from which one on they run. */
export const isRange = ({ oldest, newest }: Pick<Kernel, "oldest" | "newest">): boolean => oldest !== newest;

/** The oldest version of Linux that must run a program: whatever its target, or by target. */
export type OldestKernel = Version | Readonly<Partial<Record<TargetName, Version>>>;

/** A target, with its oldest kernel as chosen. */
export function kernelOf(target: TargetName, chosen?: OldestKernel, types?: KernelTypes): Kernel {
  const oldest = typeof chosen === "object" ? chosen[target] : chosen;
  const kernel = { ...ROWS[target], ...(oldest === undefined ? {} : { oldest }) };
  return types ? { ...kernel, types } : withTypes(kernel);
}

/** Whether every kernel of the target, from its oldest on, has the feature. */
export function has(kernel: Pick<Kernel, "features" | "oldest">, feature: Feature): boolean {
  const since = FEATURE_SINCE[feature];
  return kernel.features.has(feature) && (since === undefined || isAtLeast(kernel.oldest, since));
}

/** The first version of a target's that has all of these features, or its oldest. */
export const oldestWith = (target: TargetName, features: readonly Feature[]): Version =>
  features
    .flatMap((feature) => FEATURE_SINCE[feature] ?? [])
    .reduce((newest, one) => (isAtLeast(one, newest) ? one : newest), kernels[target].oldest as Version);

/**
 * The release whose rules say what the verifier of a kernel does: the newest known one that is not newer. Undefined for what is
 * no release, or older than all that are known.
 */
export function releaseFor(text: string): Release | undefined {
  const version = versionIn(text);
  return version && releaseOf(version);
}
