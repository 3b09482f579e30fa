/** The targets: what a kernel has and which limits hold there. Asking is `has(kernel, feature)`, never a version comparison. */

import { kernelTypes, type KernelTypes } from "./kernel-types.ts";
import { isAtLeast, NEWEST, OLDEST, releaseOf, versionIn, type Release, type Version } from "./verifier-rules.ts";

export type TargetName = "mainline" | "patched";

/** What an object may need of a kernel. */
interface FeatureRow {
  /** For people. */
  readonly about: string;
  /** The targets that have it. */
  readonly of: readonly TargetName[];
  /** The first version of Linux that has it, where it is newer than the oldest kernels of a target. */
  readonly since?: Version;
}
const EVERYWHERE: readonly TargetName[] = ["mainline", "patched"];
const PATCHED: readonly TargetName[] = ["patched"];

/** The loader's `doctor` and the object's needs speak in these keys. */
const FEATURE_ROWS = {
  "sock-ops": { about: "sock_ops programs on a cgroup-v2 directory", of: EVERYWHERE },
  "netns-sock-ops": { about: "sock_ops programs on a network namespace", of: PATCHED },
  "connect-hooks": { about: "cgroup/connect4 and connect6 programs (Linux 4.17)", of: EVERYWHERE },
  "sockopt-hooks": { about: "cgroup/getsockopt and setsockopt programs (Linux 5.3)", of: EVERYWHERE },
  "congestion-control": { about: "congestion control by struct_ops (Linux 5.13)", of: EVERYWHERE, since: "5.13" },
  "mptcp-schedulers": { about: "MPTCP packet schedulers by struct_ops", of: PATCHED },
  "struct-ops-links": { about: "struct_ops that stay registered by a link (Linux 6.4)", of: EVERYWHERE, since: "6.4" },
  "header-options": { about: "header-option callbacks and helpers (Linux 5.10)", of: EVERYWHERE },
  "tcp-option-events": { about: "the paper's option events: size, write, parse", of: PATCHED },
  "event:mptcp-new-session": { about: "MPTCP session created", of: PATCHED },
  "event:mptcp-fully-established": { about: "MPTCP subflow fully established", of: PATCHED },
  "event:mptcp-close-session": { about: "MPTCP session closed", of: PATCHED },
  "event:mptcp-add-remote-address": { about: "MPTCP ADD_ADDR received", of: PATCHED },
  "event:mptcp-remove-remote-address": { about: "MPTCP REMOVE_ADDR received", of: PATCHED },
  "event:mptcp-subflow-established": { about: "MPTCP subflow established", of: PATCHED },
  "event:mptcp-subflow-closed": { about: "MPTCP subflow closed", of: PATCHED },
  "event:mptcp-add-local-address": { about: "address added to this host, told to every session", of: PATCHED },
  "event:mptcp-remove-local-address": { about: "address removed from this host, told to every session", of: PATCHED },
  "event:mptcp-accept-subflow": { about: "incoming MPTCP subflow may be refused", of: PATCHED },
  "event:mptcp-subflow-priority": { about: "MP_PRIO received", of: PATCHED },
  "event:mptcp-timer": { about: "the timer of an MPTCP session has expired", of: PATCHED },
  "helper:mptcp-open-subflow": { about: "bpf_mptcp_open_subflow", of: PATCHED },
  "helper:mptcp-close-subflow": { about: "bpf_mptcp_close_subflow", of: PATCHED },
  "helper:mptcp-set-priority": { about: "bpf_mptcp_set_priority", of: PATCHED },
  "helper:mptcp-set-timer": { about: "bpf_mptcp_set_timer", of: PATCHED },
  "helper:mptcp-announce-addr": { about: "bpf_mptcp_announce_addr", of: PATCHED },
  "delayed-ack-options": { about: "delayed-ACK socket options from BPF", of: PATCHED },
  "bpf-delack-max": { about: "TCP_BPF_DELACK_MAX and TCP_BPF_RTO_MIN from BPF", of: EVERYWHERE },
  "unified-socket-options": {
    about: "socket options from BPF as processes have them (Linux 6.1)",
    of: EVERYWHERE,
    since: "6.1",
  },
  "ring-buffer": { about: "BPF ring buffers (Linux 5.8)", of: EVERYWHERE },
  "socket-storage": { about: "per-socket storage from sock_ops (Linux 5.9)", of: EVERYWHERE },
  "lpm-trie": { about: "longest-prefix-match tries", of: EVERYWHERE },
} as const satisfies Readonly<Record<string, FeatureRow>>;
export type Feature = keyof typeof FEATURE_ROWS;
export const FEATURES: Readonly<Record<Feature, FeatureRow>> = FEATURE_ROWS;

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
  /** The command that boots one; absent: it is what distributions have. */
  readonly boot?: string;
  /** The kernel's structs as programs are compiled with them. */
  readonly types: KernelTypes;
}

const featuresOf = (target: TargetName): ReadonlySet<Feature> =>
  new Set((Object.keys(FEATURES) as Feature[]).filter((feature) => FEATURES[feature].of.includes(target)));

const ROWS = {
  mainline: {
    name: "mainline",
    about: "Linux 5.10 and later, as distributed",
    oldest: OLDEST,
    newest: NEWEST,
    isa: "v3",
    features: featuresOf("mainline"),
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
    features: featuresOf("patched"),
    maxInsns: 4096,
    maxStack: 512,
    maxOption: 16,
    maxOptionSpace: 40,
    hz: 1000,
    boot: "kernel/run.sh COMMAND",
  },
} as const satisfies Record<TargetName, Omit<Kernel, "types">>;
/** With the types of the repository; read when they are first wanted. */
const withTypes = <T extends Omit<Kernel, "types">>(kernel: T): T & Pick<Kernel, "types"> =>
  Object.defineProperty(kernel as T & Pick<Kernel, "types">, "types", {
    get: kernelTypes,
    enumerable: true,
    configurable: true,
  });
export const kernels = { mainline: withTypes(ROWS.mainline), patched: withTypes(ROWS.patched) } satisfies Record<
  TargetName,
  Kernel
>;

export const TARGETS = Object.keys(kernels) as readonly TargetName[];
/** The target of what asks for nothing special, and of kernels that nobody says anything of: distributions' own. */
export const DEFAULT_TARGET: TargetName = TARGETS.find((name) => !("boot" in kernels[name]))!;
/** The kernel with the most features: for machines that stand for none. */
export const fullestKernel: Kernel = Object.values<Kernel>(kernels).reduce((most, one) =>
  one.features.size > most.features.size ? one : most,
);
export const isTarget = (name: string): name is TargetName => Object.hasOwn(kernels, name);

/** The kernel that an object says it is for; objects of other compilers name none and are taken for distributions' (the virtual machine gives them all there is). */
export const kernelNamed = (name: string): Kernel => (isTarget(name) ? kernels[name] : kernels[DEFAULT_TARGET]);

/** Whether a target is more than one release, so that its objects say from which one on they run. */
export const isRange = ({ oldest, newest }: Pick<Kernel, "oldest" | "newest">): boolean => oldest !== newest;

/** The oldest version of Linux that must run a program: whatever its target, or by target. */
export type OldestKernel = Version | Readonly<Partial<Record<TargetName, Version>>>;

/** By target: this version where the oldest kernel may be chosen, which a target of one release is not asked. */
export const fromOn = (version: Version): Exclude<OldestKernel, Version> =>
  Object.fromEntries(TARGETS.filter((name) => isRange(ROWS[name])).map((name) => [name, version]));

/** A target, with its oldest kernel as chosen; one that is a single release stays that. */
export function kernelOf(target: TargetName, chosen?: OldestKernel, types?: KernelTypes): Kernel {
  const wanted = typeof chosen === "object" ? chosen[target] : chosen;
  const oldest = isRange(ROWS[target]) ? wanted : undefined;
  const kernel = { ...ROWS[target], ...(oldest === undefined ? {} : { oldest }) };
  return types ? { ...kernel, types } : withTypes(kernel);
}

/** Whether every kernel of the target, from its oldest on, has the feature. */
export function has(kernel: Pick<Kernel, "features" | "oldest">, feature: Feature): boolean {
  const { since } = FEATURES[feature];
  return kernel.features.has(feature) && (since === undefined || isAtLeast(kernel.oldest, since));
}

/** The first version of a target's that has all of these features, or its oldest. */
export const oldestWith = (target: TargetName, features: readonly Feature[]): Version =>
  features
    .flatMap((feature) => FEATURES[feature].since ?? [])
    .reduce((newest, one) => (isAtLeast(one, newest) ? one : newest), kernels[target].oldest as Version);

/**
 * The release whose rules say what the verifier of a kernel does: the newest known one that is not newer. Undefined for what is
 * no release, or older than all that are known.
 */
export function releaseFor(text: string): Release | undefined {
  const version = versionIn(text);
  return version && releaseOf(version);
}
