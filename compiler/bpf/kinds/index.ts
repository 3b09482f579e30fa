/** Every kind of program, by libbpf's name of its type, and what is asked of them. */
import { helper, type Helper, type HelperName } from "../helpers.ts";
import type { Feature } from "../kernels.ts";
import { hasCome, helperSince } from "../since.ts";
import { RELEASES, type Version } from "../verifier-rules.ts";
import type { ContextLayout, ContextRange } from "./access.ts";
import { ATTACH_TYPES } from "./attach-types.ts";
import { cgroupDevice, cgroupSock, cgroupSysctl } from "./cgroup.ts";
import { EVERYWHERE } from "./helper-groups.ts";
import type { CgroupKind, CompiledKind, ContextField, Hook, Kind, ReturnRange, Section } from "./kind.ts";
import { isKept } from "./lacking.ts";
import { ext, lircMode2, netfilter, syscall, unspec } from "./other.ts";
import {
  cgroupSkb,
  flowDissector,
  lwtIn,
  lwtOut,
  lwtSeg6Local,
  lwtXmit,
  schedAct,
  schedCls,
  skSkb,
  socketFilter,
} from "./skb.ts";
import { sockAddress } from "./sock-addr.ts";
import { sockOps } from "./sock-ops.ts";
import { skLookup, skMsg, skReuseport } from "./sockets.ts";
import { socketOptions } from "./sockopt.ts";
import { structOps } from "./struct-ops.ts";
import { kprobe, lsm, perfEvent, rawTracepoint, rawTracepointWritable, tracepoint, tracing } from "./tracing.ts";
import { xdp } from "./xdp.ts";

export type { CgroupKind, CompiledKind, ContextField, Hook, Kind } from "./kind.ts";

export const KINDS = {
  unspec,
  socket_filter: socketFilter,
  kprobe,
  sched_cls: schedCls,
  sched_act: schedAct,
  tracepoint,
  xdp,
  perf_event: perfEvent,
  cgroup_skb: cgroupSkb,
  cgroup_sock: cgroupSock,
  lwt_in: lwtIn,
  lwt_out: lwtOut,
  lwt_xmit: lwtXmit,
  sock_ops: sockOps,
  sk_skb: skSkb,
  cgroup_device: cgroupDevice,
  sk_msg: skMsg,
  raw_tracepoint: rawTracepoint,
  cgroup_sock_addr: sockAddress,
  lwt_seg6local: lwtSeg6Local,
  lirc_mode2: lircMode2,
  sk_reuseport: skReuseport,
  flow_dissector: flowDissector,
  cgroup_sysctl: cgroupSysctl,
  raw_tracepoint_writable: rawTracepointWritable,
  cgroup_sockopt: socketOptions,
  tracing,
  struct_ops: structOps,
  ext,
  lsm,
  sk_lookup: skLookup,
  syscall,
  netfilter,
} as const satisfies Record<string, Kind>;
export type ProgramTypeName = keyof typeof KINDS;
export const PROGRAM_TYPE_NAMES = Object.keys(KINDS) as readonly ProgramTypeName[];

/** The kinds that programs are compiled for. Every layer that must know a kind has a table with a row for each of these names. */
export const COMPILED = {
  sock_ops: sockOps,
  cgroup_sock_addr: sockAddress,
  cgroup_sockopt: socketOptions,
  struct_ops: structOps,
} as const satisfies { readonly [K in ProgramTypeName]?: (typeof KINDS)[K] & CompiledKind };
export type KindName = keyof typeof COMPILED;
/** Those that are attached to cgroups. */
export type CgroupKindName = {
  [K in KindName]: (typeof COMPILED)[K]["attaches"] extends "cgroup" ? K : never;
}[KindName];
/** The row of a kind that is attached to cgroups, as the general type. */
export const cgroupKind = (kind: CgroupKindName): CgroupKind => COMPILED[kind];
export const KIND_NAMES = Object.keys(COMPILED) as readonly KindName[];
export const isCompiled = (type: string): type is KindName => Object.hasOwn(COMPILED, type);

/** The row of a program type, as the general type; undefined for a name that is none. */
export const kindOf = (type: string): Kind | undefined =>
  Object.hasOwn(KINDS, type) ? KINDS[type as ProgramTypeName] : undefined;

// --- sections -----------------------------------------------------------------------------------------------------

export interface SectionRule {
  readonly type: ProgramTypeName;
  /** A number of enum bpf_attach_type. */
  readonly attach: number;
  /** The section's name goes on after a slash ("kprobe/tcp_connect"); what follows says where to attach. */
  readonly prefix?: true;
}
/** By section name; of several that fit the longest holds. */
export const PROGRAM_SECTIONS: Readonly<Record<string, SectionRule>> = Object.fromEntries(
  PROGRAM_TYPE_NAMES.flatMap((type) =>
    Object.entries<Section>(KINDS[type].sections).map(([name, { attach, prefix }]): [string, SectionRule] => [
      name,
      { type, attach: attach === undefined ? 0 : ATTACH_TYPES[attach], ...(prefix ? { prefix } : {}) },
    ]),
  ),
);

/** What libbpf makes of a section's name; undefined when it knows none that fits. */
export function programSection(name: string): SectionRule | undefined {
  // A leading "?" asks libbpf not to load the program by itself.
  const plain = name.replace(/^\?/, "");
  if (Object.hasOwn(PROGRAM_SECTIONS, plain)) return PROGRAM_SECTIONS[plain];
  const slash = plain.indexOf("/");
  if (slash < 0) return undefined;
  const head = plain.slice(0, slash);
  const rule = Object.hasOwn(PROGRAM_SECTIONS, head) ? PROGRAM_SECTIONS[head] : undefined;
  return rule?.prefix ? rule : undefined;
}

/** Numbers of the attach types that a program type's sections have; 0 alone where they do not matter. */
export function attachTypesOf(type: string): readonly number[] {
  const found = Object.values(kindOf(type)?.sections ?? {}).map(({ attach }) => (attach ? ATTACH_TYPES[attach] : 0));
  return found.length === 0 ? [0] : [...new Set(found)];
}
const SLEEPING_TRACES: ReadonlySet<number> = new Set(
  (["trace_fentry", "trace_fexit", "modify_return", "trace_iter"] as const).map((name) => ATTACH_TYPES[name]),
);
/** Whether programs may be loaded as ones that sleep (can_be_sleepable of kernel/bpf/verifier.c). */
export const maySleep = (type: string, attach: number): boolean =>
  type === "tracing" ? SLEEPING_TRACES.has(attach) : ["lsm", "kprobe", "struct_ops", "syscall"].includes(type);

/** The attach type of a program type that has only one; the others carry theirs in the program. */
export function onlyAttachType(type: string): number | undefined {
  const [first, ...more] = attachTypesOf(type);
  return more.length > 0 ? undefined : first;
}

/** A hook of a compiled kind, and where it is attached. */
export interface AttachedHook extends Hook {
  readonly kind: CgroupKindName;
  /** A number of enum bpf_attach_type. */
  readonly attach: number;
}
/** Whether programs of the kind are attached to cgroups. */
export const onCgroups = (kind: KindName): kind is CgroupKindName => COMPILED[kind].attaches === "cgroup";
/** The hooks of all compiled kinds that are attached to cgroups. */
export const HOOKS: readonly AttachedHook[] = KIND_NAMES.filter(onCgroups).flatMap((kind) =>
  Object.values(cgroupKind(kind).hooks).map((hook) => ({
    ...hook,
    kind,
    attach: PROGRAM_SECTIONS[hook.section]!.attach,
  })),
);

// --- context ------------------------------------------------------------------------------------------------------

/** The context's layout for a program type, expected attach type, target's features and version of Linux; undefined where unsupported. */
export function contextLayout(
  type: string,
  attach: number,
  features: ReadonlySet<Feature>,
  version: Version,
): ContextLayout | undefined {
  const found = kindOf(type)?.layout;
  const layout = typeof found === "function" ? found(attach, features) : found;
  const isThere = ({ since, needs }: ContextRange): boolean =>
    hasCome(since, version) && (needs === undefined || features.has(needs));
  return layout && { ...layout, ranges: layout.ranges.filter(isThere) };
}

const fieldsByOffset: ReadonlyMap<string, ReadonlyMap<number, ContextField>> = new Map(
  Object.entries<Kind>(KINDS).flatMap(([type, { fields }]) =>
    fields === undefined
      ? []
      : [
          [
            type,
            new Map(
              Object.values(fields).flatMap((field) =>
                Array.from({ length: field.count ?? 1 }, (_, at) => [field.offset + at * field.bytes, field] as const),
              ),
            ),
          ] as const,
        ],
  ),
);
/** Whether the fields of this program type's context are known. */
export const hasContextFields = (type: string): boolean => fieldsByOffset.has(type);
/** The field that has an element at this offset of the context; undefined where there is none, and where there is no table. */
export const contextFieldAt = (type: string, offset: number): ContextField | undefined =>
  fieldsByOffset.get(type)?.get(offset);

// --- rules --------------------------------------------------------------------------------------------------------

/** What r0 may be at exit, inclusive; undefined: anything. */
export function returnRange(type: string, attach: number): ReturnRange {
  const found = kindOf(type)?.returns;
  return typeof found === "function" ? found(attach) : found;
}

/** Whether programs of the type may read, and write, packet bytes through pointers. */
export function packetAccess(type: string): { readonly read: boolean; readonly write: boolean } {
  const packet = kindOf(type)?.packet;
  return { read: packet !== undefined, write: packet === "read-write" };
}
/** Whether a helper may be given a pointer into the packet. */
export function packetForHelper(type: string, { packetArgs }: Helper): boolean {
  const kind = kindOf(type);
  return kind?.packetForHelpers === true || (kind?.packet !== undefined && packetArgs === true);
}
/** Whether `ld_abs` and `ld_ind` work. */
export const hasPacketLoads = (type: string): boolean => kindOf(type)?.packetLoads === true;
/** What programs of the type may do with socket maps by the general helpers. */
export const socketMapAccess = (type: string): Kind["socketMaps"] => kindOf(type)?.socketMaps;

const everywhere: ReadonlySet<HelperName> = new Set(EVERYWHERE);
/** Whether programs of the type may call the helper; undefined where this table does not know the type. */
export function mayCall(type: string, attach: number, name: HelperName, version: Version): boolean | undefined {
  const kind = kindOf(type);
  const own = kind?.helpers;
  if (own === undefined) return undefined;
  if (!hasCome(helperSince(name), version) || !hasCome(kind?.later?.[name], version)) return false;
  if (isKept(type, attach, name, version)) return false;
  return everywhere.has(name) || (typeof own === "function" ? own(attach) : own).includes(name);
}

/** The first version that we know of in which programs of the type may call the helper; undefined where none may. */
export const callableSince = (type: string, attach: number, name: HelperName): Version | undefined =>
  [helperSince(name), kindOf(type)?.later?.[name], ...RELEASES]
    .filter((version) => version !== undefined)
    .find((version) => mayCall(type, attach, name, version) === true);

/** The helper as programs of the type see it: a few take other arguments than elsewhere. */
export function helperFor(type: string, name: HelperName): Helper {
  const args = kindOf(type)?.signatures?.[name];
  return args === undefined ? helper(name) : { ...helper(name), args };
}
