/**
 * Helpers that older releases have, but keep from kinds of programs that may call them now: what Linux 5.10.262, 6.1.192 and 6.12.117
 * answered (each helper loaded in a program of each type). What a release keeps, the ones before it kept as well. A version
 * between two known releases is taken for the older one. Helpers that depend on how a kernel is configured are not here.
 */
import type { HelperName } from "../helpers.ts";
import { isAtLeast, releaseOf, RELEASES, type Release, type Version } from "../verifier-rules.ts";
import { attachNumbers } from "./attach-types.ts";

/** What tracing programs alone could call. */
const OF_TRACING = [
  "get_task_stack",
  "perf_event_read",
  "perf_event_read_value",
  "send_signal",
  "send_signal_thread",
  "task_storage_get",
  "task_storage_delete",
  "get_branch_snapshot",
  "find_vma",
  // In those that may sleep.
  "copy_from_user",
  "copy_from_user_task",
] as const satisfies readonly HelperName[];
const UNDER = ["current_task_under_cgroup"] as const satisfies readonly HelperName[];
const COMM = ["get_current_comm"] as const satisfies readonly HelperName[];
/** Where packets pass, the task that runs is anybody's. */
const PASSING = [...OF_TRACING, ...UNDER, ...COMM, "get_current_uid_gid"] as const satisfies readonly HelperName[];
const CLASS = ["get_cgroup_classid"] as const satisfies readonly HelperName[];
const PACKET = [...PASSING, ...CLASS] as const satisfies readonly HelperName[];
const NETNS = ["get_netns_cookie"] as const satisfies readonly HelperName[];
const NS_PID = ["get_ns_current_pid_tgid"] as const satisfies readonly HelperName[];
const PID = ["get_current_pid_tgid"] as const satisfies readonly HelperName[];
const ANCESTOR = ["get_current_ancestor_cgroup_id"] as const satisfies readonly HelperName[];
const TASK = [...NS_PID, ...PID, ...ANCESTOR, "get_current_cgroup_id"] as const satisfies readonly HelperName[];
const STRINGS = ["strtol", "strtoul"] as const satisfies readonly HelperName[];
const TRACING = [
  ...STRINGS,
  ...ANCESTOR,
  "spin_lock",
  "spin_unlock",
  "copy_from_user",
] as const satisfies readonly HelperName[];

/** Where programs that see an address may set options of the socket. */
const SET_OPTIONS = attachNumbers("cgroup_inet4_connect", "cgroup_inet6_connect");

type Lacking = readonly HelperName[] | ((attach: number) => readonly HelperName[]);
const LACKING: Readonly<Partial<Record<Release, Readonly<Record<string, Lacking>>>>> = {
  "6.12": {
    socket_filter: [...PACKET, ...NETNS],
    sched_cls: [...PASSING, ...NETNS],
    sched_act: [...PASSING, ...NETNS],
    cgroup_skb: [...PACKET, ...NETNS],
    xdp: PACKET,
    lwt_in: PASSING,
    lwt_out: PASSING,
    lwt_xmit: PASSING,
    lwt_seg6local: [...PASSING, "skb_pull_data"],
    sock_ops: PACKET,
    sk_skb: PACKET,
    flow_dissector: PACKET,
    sk_lookup: PACKET,
    sk_reuseport: PACKET,
    netfilter: PACKET,
    sk_msg: [...OF_TRACING, ...UNDER, ...COMM],
    kprobe: CLASS,
    tracepoint: CLASS,
    perf_event: CLASS,
    raw_tracepoint: CLASS,
    raw_tracepoint_writable: CLASS,
    syscall: CLASS,
    cgroup_sock: OF_TRACING,
    cgroup_sockopt: OF_TRACING,
    cgroup_device: OF_TRACING,
    cgroup_sysctl: OF_TRACING,
    cgroup_sock_addr: OF_TRACING,
  },
  "6.1": {
    socket_filter: TASK,
    sched_cls: TASK,
    sched_act: TASK,
    cgroup_skb: TASK,
    xdp: TASK,
    lwt_in: TASK,
    lwt_out: TASK,
    lwt_xmit: TASK,
    lwt_seg6local: TASK,
    sock_ops: TASK,
    sk_skb: TASK,
    flow_dissector: TASK,
    sk_lookup: TASK,
    sk_reuseport: TASK,
    sk_msg: NS_PID,
    raw_tracepoint: ["get_attach_cookie"],
    raw_tracepoint_writable: ["get_attach_cookie"],
    cgroup_sock: [...UNDER, ...NS_PID],
    cgroup_sockopt: [...UNDER, ...NS_PID],
    cgroup_device: [...UNDER, ...NS_PID],
    cgroup_sysctl: [...UNDER, ...NS_PID],
    cgroup_sock_addr: [...UNDER, ...NS_PID],
  },
  "5.10": {
    socket_filter: STRINGS,
    sched_cls: STRINGS,
    sched_act: STRINGS,
    cgroup_skb: STRINGS,
    xdp: STRINGS,
    lwt_in: STRINGS,
    lwt_out: STRINGS,
    lwt_xmit: STRINGS,
    lwt_seg6local: STRINGS,
    sock_ops: STRINGS,
    sk_skb: STRINGS,
    flow_dissector: STRINGS,
    sk_lookup: STRINGS,
    sk_reuseport: [...STRINGS, "get_socket_cookie"],
    sk_msg: [...STRINGS, ...NETNS],
    kprobe: TRACING,
    tracepoint: TRACING,
    perf_event: TRACING,
    raw_tracepoint: TRACING,
    raw_tracepoint_writable: TRACING,
    cgroup_sock: STRINGS,
    cgroup_sockopt: STRINGS,
    cgroup_device: [...STRINGS, ...PID, ...COMM, ...ANCESTOR],
    cgroup_sysctl: [...PID, ...COMM, ...ANCESTOR],
    cgroup_sock_addr: (attach) => (SET_OPTIONS.has(attach) ? STRINGS : [...STRINGS, "setsockopt", "getsockopt"]),
  },
};

/** Whether a version's kernels keep this helper from programs of the type, although they have it. */
export function isKept(type: string, attach: number, name: HelperName, version: Version): boolean {
  const release = releaseOf(version);
  if (release === undefined) return false;
  return RELEASES.filter((known) => isAtLeast(known, release)).some((known) => {
    const found = LACKING[known]?.[type];
    return found !== undefined && (typeof found === "function" ? found(attach) : found).includes(name);
  });
}
