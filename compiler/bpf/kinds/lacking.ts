/**
 * Helpers that older releases have, but keep from kinds of programs that may call them now: what Linux 5.10.262 answered (each helper
 * loaded in a program of each type). A version between two known releases is taken for the older one. Helpers that depend
 * on how a kernel is configured are not here.
 */
import type { HelperName } from "../helpers.ts";
import { releaseOf, type Release, type Version } from "../verifier-rules.ts";
import { attachNumbers } from "./attach-types.ts";

/** What tracing programs alone could call. */
const OF_TRACING = [
  "current_task_under_cgroup",
  "get_ns_current_pid_tgid",
  "get_task_stack",
  "perf_event_read",
  "perf_event_read_value",
  "send_signal",
  "send_signal_thread",
  // In those that may sleep.
  "copy_from_user",
] as const satisfies readonly HelperName[];
const STRINGS = ["strtol", "strtoul"] as const satisfies readonly HelperName[];
const TASK = ["get_current_pid_tgid", "get_current_comm"] as const satisfies readonly HelperName[];
const ANCESTOR = ["get_current_ancestor_cgroup_id"] as const satisfies readonly HelperName[];
const PACKET = [
  ...OF_TRACING,
  ...STRINGS,
  ...TASK,
  ...ANCESTOR,
  "get_current_uid_gid",
  "get_current_cgroup_id",
] as const satisfies readonly HelperName[];
const SKB = [...PACKET, "get_netns_cookie"] as const satisfies readonly HelperName[];
const TRACING = [
  ...STRINGS,
  ...ANCESTOR,
  "spin_lock",
  "spin_unlock",
  "copy_from_user",
] as const satisfies readonly HelperName[];
const CGROUP = [...OF_TRACING, ...STRINGS] as const satisfies readonly HelperName[];

/** Where programs that see an address may set options of the socket. */
const SET_OPTIONS = attachNumbers("cgroup_inet4_connect", "cgroup_inet6_connect");

type Lacking = readonly HelperName[] | ((attach: number) => readonly HelperName[]);
const LACKING: Readonly<Partial<Record<Release, Readonly<Record<string, Lacking>>>>> = {
  "5.10": {
    socket_filter: SKB,
    sched_cls: SKB,
    sched_act: SKB,
    cgroup_skb: SKB,
    xdp: PACKET,
    lwt_in: PACKET,
    lwt_out: PACKET,
    lwt_xmit: PACKET,
    lwt_seg6local: PACKET,
    sock_ops: PACKET,
    sk_skb: PACKET,
    flow_dissector: PACKET,
    sk_lookup: PACKET,
    sk_reuseport: [...PACKET, "get_socket_cookie"],
    sk_msg: [...OF_TRACING, ...STRINGS, "get_current_comm", "get_netns_cookie"],
    kprobe: TRACING,
    tracepoint: TRACING,
    perf_event: TRACING,
    raw_tracepoint: TRACING,
    raw_tracepoint_writable: TRACING,
    cgroup_sock: CGROUP,
    cgroup_sockopt: CGROUP,
    cgroup_device: [...CGROUP, ...TASK, ...ANCESTOR],
    cgroup_sysctl: [...OF_TRACING, ...TASK, ...ANCESTOR],
    cgroup_sock_addr: (attach) => (SET_OPTIONS.has(attach) ? CGROUP : [...CGROUP, "setsockopt", "getsockopt"]),
  },
};

/** Whether a version's kernels keep this helper from programs of the type, although they have it. */
export function isKept(type: string, attach: number, name: HelperName, version: Version): boolean {
  const release = releaseOf(version);
  const found = release && LACKING[release]?.[type];
  return found !== undefined && (typeof found === "function" ? found(attach) : found).includes(name);
}
