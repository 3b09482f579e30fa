/** Helpers that the kernel offers to many kinds of programs together. */
import type { HelperName } from "../helpers.ts";

/** Helpers of every kind. */
// prettier-ignore
export const EVERYWHERE = [
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

/** bpf_sk_base_func_proto: a socket in another of its types. */
// prettier-ignore
export const SOCKET_CASTS = [
  "skc_to_tcp6_sock", "skc_to_tcp_sock", "skc_to_tcp_timewait_sock", "skc_to_tcp_request_sock", "skc_to_udp6_sock",
  "skc_to_unix_sock", "skc_to_mptcp_sock",
] as const satisfies readonly HelperName[];

/** What programs that trace may call besides. */
// prettier-ignore
export const TRACING = [
  "probe_read", "perf_event_output", "get_stackid", "probe_read_str", "get_stack", "get_func_ip",
  "get_attach_cookie",
] as const satisfies readonly HelperName[];

/** The program's answer to the system call, as programs before it on the cgroup left it. */
export const RETURN_VALUE = ["get_retval", "set_retval"] as const satisfies readonly HelperName[];
