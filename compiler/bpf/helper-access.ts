/**
 * Which helpers a program of each type may call: what a Linux 6.18 kernel answers a privileged loader (each helper loaded
 * in a program of each type). The patched kernel's own helpers are for sock_ops.
 */
import { helper, type Helper, type HelperName } from "./helpers.ts";
import type { ProgramTypeName } from "./program-types.ts";

/** Helpers of every program type. */
// prettier-ignore
const EVERYWHERE = [
  "map_lookup_elem", "map_update_elem", "map_delete_elem", "ktime_get_ns", "trace_printk", "get_prandom_u32",
  "get_smp_processor_id", "tail_call", "get_current_pid_tgid", "get_current_uid_gid", "get_current_comm",
  "get_cgroup_classid", "perf_event_read", "get_current_task", "current_task_under_cgroup", "get_numa_node_id",
  "perf_event_read_value", "get_current_cgroup_id", "map_push_elem", "map_pop_elem", "map_peek_elem", "spin_lock",
  "spin_unlock", "strtol", "strtoul", "send_signal", "probe_read_user", "probe_read_kernel", "probe_read_user_str",
  "probe_read_kernel_str", "send_signal_thread", "jiffies64", "get_ns_current_pid_tgid",
  "get_current_ancestor_cgroup_id", "ktime_get_boot_ns", "ringbuf_output", "ringbuf_reserve", "ringbuf_submit",
  "ringbuf_discard", "ringbuf_query", "get_task_stack", "copy_from_user", "snprintf_btf", "per_cpu_ptr",
  "this_cpu_ptr", "task_storage_get", "task_storage_delete", "get_current_task_btf", "for_each_map_elem", "snprintf",
  "timer_init", "timer_set_callback", "timer_start", "timer_cancel", "task_pt_regs", "get_branch_snapshot",
  "trace_vprintk", "find_vma", "loop", "strncmp", "copy_from_user_task", "kptr_xchg", "map_lookup_percpu_elem",
  "dynptr_from_mem", "ringbuf_reserve_dynptr", "ringbuf_submit_dynptr", "ringbuf_discard_dynptr", "dynptr_read",
  "dynptr_write", "dynptr_data", "ktime_get_tai_ns", "user_ringbuf_drain", "cgrp_storage_get", "cgrp_storage_delete",
] as const satisfies readonly HelperName[];

/** Helpers of a type besides those of every type. */
// prettier-ignore
const OF_TYPE = {
  socket_filter: [
    "perf_event_output", "skb_load_bytes", "get_socket_cookie", "get_socket_uid", "skb_load_bytes_relative",
    "get_netns_cookie", "skc_to_tcp6_sock", "skc_to_tcp_sock", "skc_to_tcp_timewait_sock", "skc_to_tcp_request_sock",
    "skc_to_udp6_sock", "ktime_get_coarse_ns", "skc_to_unix_sock", "skc_to_mptcp_sock",
  ],
  kprobe: [
    "probe_read", "perf_event_output", "get_stackid", "probe_read_str", "get_stack", "get_func_ip",
    "get_attach_cookie",
  ],
  sched_cls: [
    "skb_store_bytes", "l3_csum_replace", "l4_csum_replace", "clone_redirect", "skb_vlan_push", "skb_vlan_pop",
    "skb_get_tunnel_key", "skb_set_tunnel_key", "redirect", "get_route_realm", "perf_event_output", "skb_load_bytes",
    "csum_diff", "skb_get_tunnel_opt", "skb_set_tunnel_opt", "skb_change_proto", "skb_change_type",
    "skb_under_cgroup", "get_hash_recalc", "skb_change_tail", "skb_pull_data", "csum_update", "set_hash_invalid",
    "skb_change_head", "get_socket_cookie", "get_socket_uid", "set_hash", "skb_adjust_room", "skb_get_xfrm_state",
    "skb_load_bytes_relative", "fib_lookup", "skb_cgroup_id", "skb_ancestor_cgroup_id", "sk_lookup_tcp",
    "sk_lookup_udp", "sk_release", "sk_fullsock", "tcp_sock", "skb_ecn_set_ce", "get_listener_sock",
    "skc_lookup_tcp", "tcp_check_syncookie", "sk_storage_get", "sk_storage_delete", "tcp_gen_syncookie",
    "get_netns_cookie", "sk_assign", "csum_level", "skc_to_tcp6_sock", "skc_to_tcp_sock", "skc_to_tcp_timewait_sock",
    "skc_to_tcp_request_sock", "skc_to_udp6_sock", "skb_cgroup_classid", "redirect_neigh", "redirect_peer",
    "ktime_get_coarse_ns", "check_mtu", "skc_to_unix_sock", "skb_set_tstamp", "skc_to_mptcp_sock",
    "tcp_raw_gen_syncookie_ipv4", "tcp_raw_gen_syncookie_ipv6", "tcp_raw_check_syncookie_ipv4",
    "tcp_raw_check_syncookie_ipv6",
  ],
  sched_act: [
    "skb_store_bytes", "l3_csum_replace", "l4_csum_replace", "clone_redirect", "skb_vlan_push", "skb_vlan_pop",
    "skb_get_tunnel_key", "skb_set_tunnel_key", "redirect", "get_route_realm", "perf_event_output", "skb_load_bytes",
    "csum_diff", "skb_get_tunnel_opt", "skb_set_tunnel_opt", "skb_change_proto", "skb_change_type",
    "skb_under_cgroup", "get_hash_recalc", "skb_change_tail", "skb_pull_data", "csum_update", "set_hash_invalid",
    "skb_change_head", "get_socket_cookie", "get_socket_uid", "set_hash", "skb_adjust_room", "skb_get_xfrm_state",
    "skb_load_bytes_relative", "fib_lookup", "skb_cgroup_id", "skb_ancestor_cgroup_id", "sk_lookup_tcp",
    "sk_lookup_udp", "sk_release", "sk_fullsock", "tcp_sock", "skb_ecn_set_ce", "get_listener_sock",
    "skc_lookup_tcp", "tcp_check_syncookie", "sk_storage_get", "sk_storage_delete", "tcp_gen_syncookie",
    "get_netns_cookie", "sk_assign", "csum_level", "skc_to_tcp6_sock", "skc_to_tcp_sock", "skc_to_tcp_timewait_sock",
    "skc_to_tcp_request_sock", "skc_to_udp6_sock", "skb_cgroup_classid", "redirect_neigh", "redirect_peer",
    "ktime_get_coarse_ns", "check_mtu", "skc_to_unix_sock", "skb_set_tstamp", "skc_to_mptcp_sock",
    "tcp_raw_gen_syncookie_ipv4", "tcp_raw_gen_syncookie_ipv6", "tcp_raw_check_syncookie_ipv4",
    "tcp_raw_check_syncookie_ipv6",
  ],
  tracepoint: [
    "probe_read", "perf_event_output", "get_stackid", "probe_read_str", "get_stack", "get_func_ip",
    "get_attach_cookie",
  ],
  xdp: [
    "redirect", "perf_event_output", "csum_diff", "xdp_adjust_head", "redirect_map", "xdp_adjust_meta",
    "xdp_adjust_tail", "fib_lookup", "sk_lookup_tcp", "sk_lookup_udp", "sk_release", "skc_lookup_tcp",
    "tcp_check_syncookie", "tcp_gen_syncookie", "skc_to_tcp6_sock", "skc_to_tcp_sock", "skc_to_tcp_timewait_sock",
    "skc_to_tcp_request_sock", "skc_to_udp6_sock", "ktime_get_coarse_ns", "check_mtu", "skc_to_unix_sock",
    "xdp_get_buff_len", "xdp_load_bytes", "xdp_store_bytes", "skc_to_mptcp_sock", "tcp_raw_gen_syncookie_ipv4",
    "tcp_raw_gen_syncookie_ipv6", "tcp_raw_check_syncookie_ipv4", "tcp_raw_check_syncookie_ipv6",
  ],
  perf_event: [
    "probe_read", "perf_event_output", "get_stackid", "probe_read_str", "perf_prog_read_value", "get_stack",
    "read_branch_records", "get_func_ip", "get_attach_cookie",
  ],
  cgroup_skb: [
    "perf_event_output", "skb_load_bytes", "get_socket_cookie", "get_socket_uid", "skb_load_bytes_relative",
    "skb_cgroup_id", "get_local_storage", "skb_ancestor_cgroup_id", "sk_lookup_tcp", "sk_lookup_udp", "sk_release",
    "sk_fullsock", "tcp_sock", "skb_ecn_set_ce", "get_listener_sock", "skc_lookup_tcp", "sk_storage_get",
    "sk_storage_delete", "get_netns_cookie", "sk_cgroup_id", "sk_ancestor_cgroup_id", "skc_to_tcp6_sock",
    "skc_to_tcp_sock", "skc_to_tcp_timewait_sock", "skc_to_tcp_request_sock", "skc_to_udp6_sock",
    "ktime_get_coarse_ns", "skc_to_unix_sock", "skc_to_mptcp_sock",
  ],
  cgroup_sock: [
    "perf_event_output", "get_socket_cookie", "get_local_storage", "sk_storage_get", "get_netns_cookie",
    "ktime_get_coarse_ns", "get_retval", "set_retval",
  ],
  lwt_in: [
    "get_route_realm", "perf_event_output", "skb_load_bytes", "csum_diff", "skb_under_cgroup", "get_hash_recalc",
    "skb_pull_data", "lwt_push_encap", "skc_to_tcp6_sock", "skc_to_tcp_sock", "skc_to_tcp_timewait_sock",
    "skc_to_tcp_request_sock", "skc_to_udp6_sock", "ktime_get_coarse_ns", "skc_to_unix_sock", "skc_to_mptcp_sock",
  ],
  lwt_out: [
    "get_route_realm", "perf_event_output", "skb_load_bytes", "csum_diff", "skb_under_cgroup", "get_hash_recalc",
    "skb_pull_data", "skc_to_tcp6_sock", "skc_to_tcp_sock", "skc_to_tcp_timewait_sock", "skc_to_tcp_request_sock",
    "skc_to_udp6_sock", "ktime_get_coarse_ns", "skc_to_unix_sock", "skc_to_mptcp_sock",
  ],
  lwt_xmit: [
    "skb_store_bytes", "l3_csum_replace", "l4_csum_replace", "clone_redirect", "skb_get_tunnel_key",
    "skb_set_tunnel_key", "redirect", "get_route_realm", "perf_event_output", "skb_load_bytes", "csum_diff",
    "skb_get_tunnel_opt", "skb_set_tunnel_opt", "skb_under_cgroup", "get_hash_recalc", "skb_change_tail",
    "skb_pull_data", "csum_update", "set_hash_invalid", "skb_change_head", "lwt_push_encap", "csum_level",
    "skc_to_tcp6_sock", "skc_to_tcp_sock", "skc_to_tcp_timewait_sock", "skc_to_tcp_request_sock", "skc_to_udp6_sock",
    "ktime_get_coarse_ns", "skc_to_unix_sock", "skc_to_mptcp_sock",
  ],
  sock_ops: [
    "perf_event_output", "get_socket_cookie", "setsockopt", "sock_map_update", "getsockopt", "sock_ops_cb_flags_set",
    "sock_hash_update", "get_local_storage", "tcp_sock", "sk_storage_get", "sk_storage_delete", "get_netns_cookie",
    "skc_to_tcp6_sock", "skc_to_tcp_sock", "skc_to_tcp_timewait_sock", "skc_to_tcp_request_sock", "skc_to_udp6_sock",
    "load_hdr_opt", "store_hdr_opt", "reserve_hdr_opt", "ktime_get_coarse_ns", "skc_to_unix_sock",
    "skc_to_mptcp_sock", "mptcp_open_subflow", "mptcp_close_subflow", "mptcp_set_priority",
  ],
  sk_skb: [
    "skb_store_bytes", "perf_event_output", "skb_load_bytes", "skb_change_tail", "skb_pull_data", "skb_change_head",
    "get_socket_cookie", "get_socket_uid", "skb_adjust_room", "sk_redirect_map", "sk_redirect_hash", "sk_lookup_tcp",
    "sk_lookup_udp", "sk_release", "skc_lookup_tcp", "skc_to_tcp6_sock", "skc_to_tcp_sock",
    "skc_to_tcp_timewait_sock", "skc_to_tcp_request_sock", "skc_to_udp6_sock", "ktime_get_coarse_ns",
    "skc_to_unix_sock", "skc_to_mptcp_sock",
  ],
  cgroup_device: [
    "perf_event_output", "get_local_storage", "get_retval", "set_retval",
  ],
  sk_msg: [
    "perf_event_output", "msg_redirect_map", "msg_apply_bytes", "msg_cork_bytes", "msg_pull_data",
    "msg_redirect_hash", "msg_push_data", "msg_pop_data", "sk_storage_get", "sk_storage_delete", "get_netns_cookie",
    "skc_to_tcp6_sock", "skc_to_tcp_sock", "skc_to_tcp_timewait_sock", "skc_to_tcp_request_sock", "skc_to_udp6_sock",
    "ktime_get_coarse_ns", "skc_to_unix_sock", "skc_to_mptcp_sock",
  ],
  raw_tracepoint: [
    "probe_read", "perf_event_output", "get_stackid", "probe_read_str", "get_stack", "get_func_ip",
    "get_attach_cookie",
  ],
  cgroup_sock_addr: [
    "perf_event_output", "get_socket_cookie", "setsockopt", "getsockopt", "get_local_storage", "sk_lookup_tcp",
    "sk_lookup_udp", "sk_release", "skc_lookup_tcp", "sk_storage_get", "sk_storage_delete", "get_netns_cookie",
    "skc_to_tcp6_sock", "skc_to_tcp_sock", "skc_to_tcp_timewait_sock", "skc_to_tcp_request_sock", "skc_to_udp6_sock",
    "ktime_get_coarse_ns", "skc_to_unix_sock", "get_retval", "set_retval", "skc_to_mptcp_sock",
  ],
  lwt_seg6local: [
    "get_route_realm", "perf_event_output", "skb_load_bytes", "csum_diff", "skb_under_cgroup", "get_hash_recalc",
    "skb_pull_data", "lwt_seg6_store_bytes", "lwt_seg6_adjust_srh", "lwt_seg6_action", "skc_to_tcp6_sock",
    "skc_to_tcp_sock", "skc_to_tcp_timewait_sock", "skc_to_tcp_request_sock", "skc_to_udp6_sock",
    "ktime_get_coarse_ns", "skc_to_unix_sock", "skc_to_mptcp_sock",
  ],
  sk_reuseport: [
    "skb_load_bytes", "get_socket_cookie", "skb_load_bytes_relative", "sk_select_reuseport", "ktime_get_coarse_ns",
  ],
  flow_dissector: [
    "skb_load_bytes", "skc_to_tcp6_sock", "skc_to_tcp_sock", "skc_to_tcp_timewait_sock", "skc_to_tcp_request_sock",
    "skc_to_udp6_sock", "ktime_get_coarse_ns", "skc_to_unix_sock", "skc_to_mptcp_sock",
  ],
  cgroup_sysctl: [
    "perf_event_output", "get_local_storage", "sysctl_get_name", "sysctl_get_current_value", "sysctl_get_new_value",
    "sysctl_set_new_value", "ktime_get_coarse_ns", "get_retval", "set_retval",
  ],
  raw_tracepoint_writable: [
    "probe_read", "perf_event_output", "get_stackid", "probe_read_str", "get_stack", "get_func_ip",
    "get_attach_cookie",
  ],
  cgroup_sockopt: [
    "perf_event_output", "get_local_storage", "tcp_sock", "sk_storage_get", "sk_storage_delete", "get_netns_cookie",
    "get_retval", "set_retval",
  ],
  sk_lookup: [
    "perf_event_output", "sk_release", "sk_assign", "skc_to_tcp6_sock", "skc_to_tcp_sock",
    "skc_to_tcp_timewait_sock", "skc_to_tcp_request_sock", "skc_to_udp6_sock", "ktime_get_coarse_ns",
    "skc_to_unix_sock", "skc_to_mptcp_sock",
  ],
  netfilter: [

  ],
  syscall: [
    "probe_read", "perf_event_output", "get_stackid", "probe_read_str", "get_socket_cookie", "get_stack",
    "sk_storage_get", "sk_storage_delete", "skb_output", "xdp_output", "skc_to_tcp6_sock", "skc_to_tcp_sock",
    "skc_to_tcp_timewait_sock", "skc_to_tcp_request_sock", "skc_to_udp6_sock", "d_path", "sock_from_file", "sys_bpf",
    "btf_find_by_name_kind", "sys_close", "get_func_ip", "skc_to_unix_sock", "kallsyms_lookup_name",
    "xdp_get_buff_len", "skc_to_mptcp_sock",
  ],
} as const satisfies Partial<Record<ProgramTypeName, readonly HelperName[]>>;

const everywhere: ReadonlySet<string> = new Set(EVERYWHERE);
const ofType: ReadonlyMap<string, ReadonlySet<string>> = new Map(
  Object.entries(OF_TYPE).map(([type, names]) => [type, new Set<string>(names)]),
);

/** Whether programs of the type may call the helper; undefined where this table does not know the type. */
export function mayCall(type: string, helper: HelperName): boolean | undefined {
  const own = ofType.get(type);
  if (own === undefined) return undefined;
  return everywhere.has(helper) || own.has(helper);
}

/** Traffic control reads the class of the packet's socket; everywhere else it is that of the current task. */
const PACKET_CLASS: ReadonlySet<string> = new Set([
  "sched_cls",
  "sched_act",
  "lwt_in",
  "lwt_out",
  "lwt_xmit",
  "lwt_seg6local",
]);

/** The helper as programs of the type see it: a few take other arguments than elsewhere. */
export function helperFor(type: string, name: HelperName): Helper {
  const row = helper(name);
  if (name === "get_cgroup_classid" && !PACKET_CLASS.has(type)) return { ...row, args: [] };
  if (name === "get_socket_cookie" && type === "sk_reuseport") return { ...row, args: ["btf-sock-or-null"] };
  return row;
}
