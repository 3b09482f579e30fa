/**
 * The kernel's helper functions: include/uapi/linux/bpf.h numbers them, their prototypes say what the verifier demands of
 * each argument. Keyed by the kernel's name without "bpf_". Which program type may call which, and other arguments that some take: compiler/bpf/kinds/.
 * 212 to 214 are the patched kernel's (kernel/README.md).
 */
import type { Feature } from "./kernels.ts";

/**
 * What an argument must be.
 * - `any`: any initialised value.
 * - `map`: an `lddw` of a map; `key`, `value`: memory of that map's key or value size, read; `value-out`: written.
 * - `mem`: memory, read; `mem-out`: memory, written, may be uninitialised before; `mem-inout`: initialised before, may be written.
 *   The argument that follows is its `size` (at least 1) or `size-or-zero`, in bytes.
 * - `fixed`: memory of that many bytes; `out` need not be initialised.
 * - `alloc-size`: a constant number of bytes of the memory that is returned.
 * - `sock-common`, `socket`: the kernel's socket pointer types; `btf-sock` takes all of them.
 * - `…-or-null`: 0 is allowed too.
 */
export type ArgKind =
  | "any"
  | "ctx"
  | "ctx-or-null"
  | "map"
  | "key"
  | "value"
  | "value-or-null"
  | "value-out"
  | "mem"
  | "mem-or-null"
  | "mem-out"
  | "mem-inout"
  | "mem-inout-or-null"
  | "size"
  | "size-or-zero"
  | "alloc-size"
  | "sock-common"
  | "socket-or-null"
  | "btf-sock"
  | "btf-sock-or-null"
  | "ringbuf"
  | "spin-lock"
  | "timer"
  | "const-str"
  | "func"
  | "stack-or-null"
  | "scalar"
  | "btf"
  | "btf-or-null"
  | "percpu-btf"
  | "kptr"
  | "dynptr"
  | { readonly fixed: number; readonly access: "in" | "out" | "inout" };

/** What lies in r0 afterwards. `integer`: any 64-bit value. `void`: nothing readable. */
export type ReturnKind =
  | "integer"
  | "void"
  | "value"
  | "value-or-null"
  | "socket-or-null"
  | "sock-common-or-null"
  | "tcp-sock-or-null"
  | "ringbuf-or-null"
  | "dynptr-mem-or-null"
  | "btf"
  | "btf-or-null";

/** Memory besides the arguments' own that may hold something else after the call. `socket`: context fields that are not `stable`. */
export type Changes = "maps" | "socket" | "packet";

export interface Helper {
  readonly id: number;
  /** Zero to five, in r1 to r5. */
  readonly args: readonly ArgKind[];
  /** Up to five arguments in all, those after `args` of any kind. */
  readonly variadic?: true;
  readonly returns: ReturnKind;
  /** `reads`: the call may be dropped when its result is not used (but two calls may give two results); `writes`: it must stay. */
  readonly effect: "reads" | "writes";
  /** Absent: nothing but what `…-out` and `…-inout` arguments point to. */
  readonly changes?: readonly Changes[];
  /** Every packet pointer is void after the call. */
  readonly invalidatesPackets?: true;
  /** Memory arguments may point into the packet (where the program type lets helpers see the packet at all). */
  readonly packetArgs?: true;
  /** The result, when not null, must be released on every path. */
  readonly acquires?: true;
  /** Index of the argument whose reference ends here. */
  readonly releases?: number;
  /** Only for programs with a GPL-compatible license. */
  readonly gplOnly?: true;
  /** Only in sleepable programs. */
  readonly sleeps?: true;
  /** The kernel inlines it and keeps r1 to r5 where a program spills them in the documented pattern. */
  readonly fastcall?: true;
  readonly needs?: Feature;
}

// prettier-ignore
export const HELPERS = {
  map_lookup_elem: { id: 1, args: ["map", "key"], returns: "value-or-null", effect: "reads", packetArgs: true },
  map_update_elem: { id: 2, args: ["map", "key", "value", "any"], returns: "integer", effect: "writes", changes: ["maps"], packetArgs: true },
  map_delete_elem: { id: 3, args: ["map", "key"], returns: "integer", effect: "writes", changes: ["maps"], packetArgs: true },
  probe_read: { id: 4, args: ["mem-out", "size-or-zero", "any"], returns: "integer", effect: "writes", changes: ["maps", "socket"], gplOnly: true },
  ktime_get_ns: { id: 5, args: [], returns: "integer", effect: "reads" },
  trace_printk: { id: 6, args: ["mem", "size"], variadic: true, returns: "integer", effect: "writes", gplOnly: true },
  get_prandom_u32: { id: 7, args: [], returns: "integer", effect: "reads" },
  get_smp_processor_id: { id: 8, args: [], returns: "integer", effect: "reads", fastcall: true },
  skb_store_bytes: { id: 9, args: ["ctx", "any", "mem", "size", "any"], returns: "integer", effect: "writes", changes: ["maps", "socket", "packet"], invalidatesPackets: true },
  l3_csum_replace: { id: 10, args: ["ctx", "any", "any", "any", "any"], returns: "integer", effect: "writes", changes: ["maps", "socket", "packet"], invalidatesPackets: true },
  l4_csum_replace: { id: 11, args: ["ctx", "any", "any", "any", "any"], returns: "integer", effect: "writes", changes: ["maps", "socket", "packet"], invalidatesPackets: true },
  tail_call: { id: 12, args: ["ctx", "map", "any"], returns: "void", effect: "writes", changes: ["maps", "socket", "packet"], invalidatesPackets: true },
  clone_redirect: { id: 13, args: ["ctx", "any", "any"], returns: "integer", effect: "writes", changes: ["maps", "socket", "packet"], invalidatesPackets: true },
  get_current_pid_tgid: { id: 14, args: [], returns: "integer", effect: "reads" },
  get_current_uid_gid: { id: 15, args: [], returns: "integer", effect: "reads" },
  get_current_comm: { id: 16, args: ["mem-out", "size"], returns: "integer", effect: "reads" },
  get_cgroup_classid: { id: 17, args: [], returns: "integer", effect: "reads" },
  skb_vlan_push: { id: 18, args: ["ctx", "any", "any"], returns: "integer", effect: "writes", changes: ["maps", "socket", "packet"], invalidatesPackets: true },
  skb_vlan_pop: { id: 19, args: ["ctx"], returns: "integer", effect: "writes", changes: ["maps", "socket", "packet"], invalidatesPackets: true },
  skb_get_tunnel_key: { id: 20, args: ["ctx", "mem-out", "size", "any"], returns: "integer", effect: "writes", changes: ["maps", "socket"] },
  skb_set_tunnel_key: { id: 21, args: ["ctx", "mem", "size", "any"], returns: "integer", effect: "writes", changes: ["maps", "socket"] },
  perf_event_read: { id: 22, args: ["map", "any"], returns: "integer", effect: "writes", changes: ["maps", "socket"], gplOnly: true },
  redirect: { id: 23, args: ["any", "any"], returns: "integer", effect: "writes", changes: ["maps", "socket"] },
  get_route_realm: { id: 24, args: ["ctx"], returns: "integer", effect: "writes", changes: ["maps", "socket"] },
  perf_event_output: { id: 25, args: ["ctx", "map", "any", "mem", "size-or-zero"], returns: "integer", effect: "writes", gplOnly: true },
  skb_load_bytes: { id: 26, args: ["ctx", "any", "mem-out", "size"], returns: "integer", effect: "reads" },
  get_stackid: { id: 27, args: ["ctx", "map", "any"], returns: "integer", effect: "writes", changes: ["maps", "socket"], gplOnly: true },
  csum_diff: { id: 28, args: ["mem-or-null", "size-or-zero", "mem-or-null", "size-or-zero", "any"], returns: "integer", effect: "reads", packetArgs: true },
  skb_get_tunnel_opt: { id: 29, args: ["ctx", "mem-out", "size"], returns: "integer", effect: "writes", changes: ["maps", "socket"] },
  skb_set_tunnel_opt: { id: 30, args: ["ctx", "mem", "size"], returns: "integer", effect: "writes", changes: ["maps", "socket"] },
  skb_change_proto: { id: 31, args: ["ctx", "any", "any"], returns: "integer", effect: "writes", changes: ["maps", "socket", "packet"], invalidatesPackets: true },
  skb_change_type: { id: 32, args: ["ctx", "any"], returns: "integer", effect: "writes", changes: ["maps", "socket"] },
  skb_under_cgroup: { id: 33, args: ["ctx", "map", "any"], returns: "integer", effect: "writes", changes: ["maps", "socket"] },
  get_hash_recalc: { id: 34, args: ["ctx"], returns: "integer", effect: "reads" },
  get_current_task: { id: 35, args: [], returns: "integer", effect: "reads", gplOnly: true },
  probe_write_user: { id: 36, args: ["any", "mem", "size"], returns: "integer", effect: "writes", changes: ["maps", "socket"], gplOnly: true },
  current_task_under_cgroup: { id: 37, args: ["map", "any"], returns: "integer", effect: "writes", changes: ["maps", "socket"] },
  skb_change_tail: { id: 38, args: ["ctx", "any", "any"], returns: "integer", effect: "writes", changes: ["maps", "socket", "packet"], invalidatesPackets: true },
  skb_pull_data: { id: 39, args: ["ctx", "any"], returns: "integer", effect: "writes", changes: ["maps", "socket", "packet"], invalidatesPackets: true },
  csum_update: { id: 40, args: ["ctx", "any"], returns: "integer", effect: "writes", changes: ["maps", "socket"] },
  set_hash_invalid: { id: 41, args: ["ctx"], returns: "integer", effect: "writes", changes: ["maps", "socket"] },
  get_numa_node_id: { id: 42, args: [], returns: "integer", effect: "reads" },
  skb_change_head: { id: 43, args: ["ctx", "any", "any"], returns: "integer", effect: "writes", changes: ["maps", "socket", "packet"], invalidatesPackets: true },
  xdp_adjust_head: { id: 44, args: ["ctx", "any"], returns: "integer", effect: "writes", changes: ["maps", "socket", "packet"], invalidatesPackets: true },
  probe_read_str: { id: 45, args: ["mem-out", "size-or-zero", "any"], returns: "integer", effect: "writes", changes: ["maps", "socket"], gplOnly: true },
  get_socket_cookie: { id: 46, args: ["ctx"], returns: "integer", effect: "reads" },
  get_socket_uid: { id: 47, args: ["ctx"], returns: "integer", effect: "writes", changes: ["maps", "socket"] },
  set_hash: { id: 48, args: ["ctx", "any"], returns: "integer", effect: "writes", changes: ["maps", "socket"] },
  setsockopt: { id: 49, args: ["ctx", "any", "any", "mem", "size"], returns: "integer", effect: "writes", changes: ["socket"] },
  skb_adjust_room: { id: 50, args: ["ctx", "any", "any", "any"], returns: "integer", effect: "writes", changes: ["maps", "socket", "packet"], invalidatesPackets: true },
  redirect_map: { id: 51, args: ["map", "any", "any"], returns: "integer", effect: "writes", changes: ["maps", "socket"] },
  sk_redirect_map: { id: 52, args: ["ctx", "map", "any", "any"], returns: "integer", effect: "writes", changes: ["maps", "socket"] },
  sock_map_update: { id: 53, args: ["ctx", "map", "key", "any"], returns: "integer", effect: "writes", changes: ["maps"], packetArgs: true },
  xdp_adjust_meta: { id: 54, args: ["ctx", "any"], returns: "integer", effect: "writes", changes: ["maps", "socket", "packet"], invalidatesPackets: true },
  perf_event_read_value: { id: 55, args: ["map", "any", "mem-out", "size"], returns: "integer", effect: "writes", changes: ["maps", "socket"], gplOnly: true },
  perf_prog_read_value: { id: 56, args: ["ctx", "mem-out", "size"], returns: "integer", effect: "writes", changes: ["maps", "socket"], gplOnly: true },
  getsockopt: { id: 57, args: ["ctx", "any", "any", "mem-out", "size"], returns: "integer", effect: "reads" },
  override_return: { id: 58, args: ["ctx", "any"], returns: "integer", effect: "writes", changes: ["maps", "socket"], gplOnly: true },
  sock_ops_cb_flags_set: { id: 59, args: ["ctx", "any"], returns: "integer", effect: "writes", changes: ["socket"] },
  msg_redirect_map: { id: 60, args: ["ctx", "map", "any", "any"], returns: "integer", effect: "writes", changes: ["maps", "socket"] },
  msg_apply_bytes: { id: 61, args: ["ctx", "any"], returns: "integer", effect: "writes", changes: ["maps", "socket"] },
  msg_cork_bytes: { id: 62, args: ["ctx", "any"], returns: "integer", effect: "writes", changes: ["maps", "socket"] },
  msg_pull_data: { id: 63, args: ["ctx", "any", "any", "any"], returns: "integer", effect: "writes", changes: ["maps", "socket", "packet"], invalidatesPackets: true },
  bind: { id: 64, args: ["ctx", "mem", "size"], returns: "integer", effect: "writes", changes: ["maps", "socket"] },
  xdp_adjust_tail: { id: 65, args: ["ctx", "any"], returns: "integer", effect: "writes", changes: ["maps", "socket", "packet"], invalidatesPackets: true },
  skb_get_xfrm_state: { id: 66, args: ["ctx", "any", "mem-out", "size", "any"], returns: "integer", effect: "writes", changes: ["maps", "socket"] },
  get_stack: { id: 67, args: ["ctx", "mem-out", "size-or-zero", "any"], returns: "integer", effect: "writes", changes: ["maps", "socket"], gplOnly: true },
  skb_load_bytes_relative: { id: 68, args: ["ctx", "any", "mem-out", "size", "any"], returns: "integer", effect: "reads" },
  fib_lookup: { id: 69, args: ["ctx", "mem-inout", "size", "any"], returns: "integer", effect: "writes", changes: ["maps", "socket"], gplOnly: true },
  sock_hash_update: { id: 70, args: ["ctx", "map", "key", "any"], returns: "integer", effect: "writes", changes: ["maps"], packetArgs: true },
  msg_redirect_hash: { id: 71, args: ["ctx", "map", "key", "any"], returns: "integer", effect: "writes", changes: ["maps", "socket"] },
  sk_redirect_hash: { id: 72, args: ["ctx", "map", "key", "any"], returns: "integer", effect: "writes", changes: ["maps", "socket"] },
  lwt_push_encap: { id: 73, args: ["ctx", "any", "mem", "size"], returns: "integer", effect: "writes", changes: ["maps", "socket", "packet"], invalidatesPackets: true },
  lwt_seg6_store_bytes: { id: 74, args: ["ctx", "any", "mem", "size"], returns: "integer", effect: "writes", changes: ["maps", "socket", "packet"], invalidatesPackets: true },
  lwt_seg6_adjust_srh: { id: 75, args: ["ctx", "any", "any"], returns: "integer", effect: "writes", changes: ["maps", "socket", "packet"], invalidatesPackets: true },
  lwt_seg6_action: { id: 76, args: ["ctx", "any", "mem", "size"], returns: "integer", effect: "writes", changes: ["maps", "socket", "packet"], invalidatesPackets: true },
  skb_cgroup_id: { id: 79, args: ["ctx"], returns: "integer", effect: "writes", changes: ["maps", "socket"] },
  get_current_cgroup_id: { id: 80, args: [], returns: "integer", effect: "reads" },
  get_local_storage: { id: 81, args: ["map", "any"], returns: "value", effect: "reads" },
  sk_select_reuseport: { id: 82, args: ["ctx", "map", "key", "any"], returns: "integer", effect: "writes", changes: ["maps", "socket"] },
  skb_ancestor_cgroup_id: { id: 83, args: ["ctx", "any"], returns: "integer", effect: "writes", changes: ["maps", "socket"] },
  sk_lookup_tcp: { id: 84, args: ["ctx", "mem", "size-or-zero", "any", "any"], returns: "socket-or-null", effect: "writes", changes: ["maps", "socket"], packetArgs: true, acquires: true },
  sk_lookup_udp: { id: 85, args: ["ctx", "mem", "size-or-zero", "any", "any"], returns: "socket-or-null", effect: "writes", changes: ["maps", "socket"], packetArgs: true, acquires: true },
  sk_release: { id: 86, args: ["btf-sock"], returns: "integer", effect: "writes", changes: ["maps", "socket"], releases: 0 },
  map_push_elem: { id: 87, args: ["map", "value", "any"], returns: "integer", effect: "writes", changes: ["maps"], packetArgs: true },
  map_pop_elem: { id: 88, args: ["map", "value-out"], returns: "integer", effect: "writes", changes: ["maps"] },
  map_peek_elem: { id: 89, args: ["map", "value-out"], returns: "integer", effect: "reads" },
  msg_push_data: { id: 90, args: ["ctx", "any", "any", "any"], returns: "integer", effect: "writes", changes: ["maps", "socket", "packet"], invalidatesPackets: true },
  msg_pop_data: { id: 91, args: ["ctx", "any", "any", "any"], returns: "integer", effect: "writes", changes: ["maps", "socket", "packet"], invalidatesPackets: true },
  spin_lock: { id: 93, args: ["spin-lock"], returns: "void", effect: "writes", changes: ["maps", "socket"] },
  spin_unlock: { id: 94, args: ["spin-lock"], returns: "void", effect: "writes", changes: ["maps", "socket"] },
  sk_fullsock: { id: 95, args: ["sock-common"], returns: "socket-or-null", effect: "reads" },
  tcp_sock: { id: 96, args: ["sock-common"], returns: "tcp-sock-or-null", effect: "reads" },
  skb_ecn_set_ce: { id: 97, args: ["ctx"], returns: "integer", effect: "writes", changes: ["maps", "socket"] },
  get_listener_sock: { id: 98, args: ["sock-common"], returns: "socket-or-null", effect: "writes", changes: ["maps", "socket"] },
  skc_lookup_tcp: { id: 99, args: ["ctx", "mem", "size-or-zero", "any", "any"], returns: "sock-common-or-null", effect: "writes", changes: ["maps", "socket"], packetArgs: true, acquires: true },
  tcp_check_syncookie: { id: 100, args: ["btf-sock", "mem", "size", "mem", "size"], returns: "integer", effect: "writes", changes: ["maps", "socket"], gplOnly: true, packetArgs: true },
  sysctl_get_name: { id: 101, args: ["ctx", "mem-inout", "size", "any"], returns: "integer", effect: "writes", changes: ["maps", "socket"] },
  sysctl_get_current_value: { id: 102, args: ["ctx", "mem-out", "size"], returns: "integer", effect: "writes", changes: ["maps", "socket"] },
  sysctl_get_new_value: { id: 103, args: ["ctx", "mem-out", "size"], returns: "integer", effect: "writes", changes: ["maps", "socket"] },
  sysctl_set_new_value: { id: 104, args: ["ctx", "mem", "size"], returns: "integer", effect: "writes", changes: ["maps", "socket"] },
  strtol: { id: 105, args: ["mem", "size", "any", { fixed: 8, access: "out" }], returns: "integer", effect: "reads" },
  strtoul: { id: 106, args: ["mem", "size", "any", { fixed: 8, access: "out" }], returns: "integer", effect: "reads" },
  sk_storage_get: { id: 107, args: ["map", "btf-sock", "value-or-null", "any"], returns: "value-or-null", effect: "writes", changes: ["maps"], needs: "socket-storage" },
  sk_storage_delete: { id: 108, args: ["map", "btf-sock"], returns: "integer", effect: "writes", changes: ["maps"], needs: "socket-storage" },
  send_signal: { id: 109, args: ["any"], returns: "integer", effect: "writes", changes: ["maps", "socket"] },
  tcp_gen_syncookie: { id: 110, args: ["btf-sock", "mem", "size", "mem", "size"], returns: "integer", effect: "writes", changes: ["maps", "socket"], gplOnly: true, packetArgs: true },
  skb_output: { id: 111, args: ["btf", "map", "any", "mem", "size-or-zero"], returns: "integer", effect: "writes", changes: ["maps", "socket"], gplOnly: true },
  probe_read_user: { id: 112, args: ["mem-out", "size-or-zero", "any"], returns: "integer", effect: "reads", gplOnly: true },
  probe_read_kernel: { id: 113, args: ["mem-out", "size-or-zero", "any"], returns: "integer", effect: "reads", gplOnly: true },
  probe_read_user_str: { id: 114, args: ["mem-out", "size-or-zero", "any"], returns: "integer", effect: "reads", gplOnly: true },
  probe_read_kernel_str: { id: 115, args: ["mem-out", "size-or-zero", "any"], returns: "integer", effect: "reads", gplOnly: true },
  tcp_send_ack: { id: 116, args: ["btf", "any"], returns: "integer", effect: "writes", changes: ["socket"] },
  send_signal_thread: { id: 117, args: ["any"], returns: "integer", effect: "writes", changes: ["maps", "socket"] },
  jiffies64: { id: 118, args: [], returns: "integer", effect: "reads" },
  read_branch_records: { id: 119, args: ["ctx", "mem-inout-or-null", "size-or-zero", "any"], returns: "integer", effect: "writes", changes: ["maps", "socket"], gplOnly: true },
  get_ns_current_pid_tgid: { id: 120, args: ["any", "any", "mem-out", "size"], returns: "integer", effect: "writes", changes: ["maps", "socket"] },
  xdp_output: { id: 121, args: ["btf", "map", "any", "mem", "size-or-zero"], returns: "integer", effect: "writes", changes: ["maps", "socket"], gplOnly: true },
  get_netns_cookie: { id: 122, args: ["ctx-or-null"], returns: "integer", effect: "reads" },
  get_current_ancestor_cgroup_id: { id: 123, args: ["any"], returns: "integer", effect: "reads" },
  sk_assign: { id: 124, args: ["ctx", "btf-sock", "any"], returns: "integer", effect: "writes", changes: ["maps", "socket"] },
  ktime_get_boot_ns: { id: 125, args: [], returns: "integer", effect: "reads" },
  seq_printf: { id: 126, args: ["btf", "mem", "size", "mem-or-null", "size-or-zero"], returns: "integer", effect: "writes", changes: ["maps", "socket"], gplOnly: true },
  seq_write: { id: 127, args: ["btf", "mem", "size-or-zero"], returns: "integer", effect: "writes", changes: ["maps", "socket"], gplOnly: true },
  sk_cgroup_id: { id: 128, args: ["btf-sock"], returns: "integer", effect: "writes", changes: ["maps", "socket"] },
  sk_ancestor_cgroup_id: { id: 129, args: ["btf-sock", "any"], returns: "integer", effect: "writes", changes: ["maps", "socket"] },
  ringbuf_output: { id: 130, args: ["map", "mem", "size-or-zero", "any"], returns: "integer", effect: "writes", needs: "ring-buffer" },
  ringbuf_reserve: { id: 131, args: ["map", "alloc-size", "any"], returns: "ringbuf-or-null", effect: "writes", acquires: true, needs: "ring-buffer" },
  ringbuf_submit: { id: 132, args: ["ringbuf", "any"], returns: "void", effect: "writes", releases: 0, needs: "ring-buffer" },
  ringbuf_discard: { id: 133, args: ["ringbuf", "any"], returns: "void", effect: "writes", releases: 0, needs: "ring-buffer" },
  ringbuf_query: { id: 134, args: ["map", "any"], returns: "integer", effect: "reads", needs: "ring-buffer" },
  csum_level: { id: 135, args: ["ctx", "any"], returns: "integer", effect: "writes", changes: ["maps", "socket"] },
  skc_to_tcp6_sock: { id: 136, args: ["btf-sock"], returns: "btf-or-null", effect: "reads" },
  skc_to_tcp_sock: { id: 137, args: ["btf-sock"], returns: "btf-or-null", effect: "reads" },
  skc_to_tcp_timewait_sock: { id: 138, args: ["btf-sock"], returns: "btf-or-null", effect: "reads" },
  skc_to_tcp_request_sock: { id: 139, args: ["btf-sock"], returns: "btf-or-null", effect: "reads" },
  skc_to_udp6_sock: { id: 140, args: ["btf-sock"], returns: "btf-or-null", effect: "reads" },
  get_task_stack: { id: 141, args: ["btf", "mem-out", "size-or-zero", "any"], returns: "integer", effect: "writes", changes: ["maps", "socket"] },
  load_hdr_opt: { id: 142, args: ["ctx", "mem-inout", "size", "any"], returns: "integer", effect: "reads", needs: "header-options" },
  store_hdr_opt: { id: 143, args: ["ctx", "mem", "size", "any"], returns: "integer", effect: "writes", changes: ["packet"], invalidatesPackets: true, needs: "header-options" },
  reserve_hdr_opt: { id: 144, args: ["ctx", "any", "any"], returns: "integer", effect: "writes", needs: "header-options" },
  inode_storage_get: { id: 145, args: ["map", "btf", "value-or-null", "any"], returns: "value-or-null", effect: "writes", changes: ["maps", "socket"] },
  inode_storage_delete: { id: 146, args: ["map", "btf"], returns: "integer", effect: "writes", changes: ["maps", "socket"] },
  d_path: { id: 147, args: ["btf", "mem-inout", "size-or-zero"], returns: "integer", effect: "writes", changes: ["maps", "socket"] },
  copy_from_user: { id: 148, args: ["mem-out", "size-or-zero", "any"], returns: "integer", effect: "writes", changes: ["maps", "socket"], sleeps: true },
  snprintf_btf: { id: 149, args: ["mem-inout", "size", "mem", "size", "any"], returns: "integer", effect: "writes", changes: ["maps", "socket"] },
  seq_printf_btf: { id: 150, args: ["btf", "mem", "size-or-zero", "any"], returns: "integer", effect: "writes", changes: ["maps", "socket"], gplOnly: true },
  skb_cgroup_classid: { id: 151, args: ["ctx"], returns: "integer", effect: "writes", changes: ["maps", "socket"] },
  redirect_neigh: { id: 152, args: ["any", "mem-or-null", "size-or-zero", "any"], returns: "integer", effect: "writes", changes: ["maps", "socket"] },
  per_cpu_ptr: { id: 153, args: ["percpu-btf", "any"], returns: "btf-or-null", effect: "writes", changes: ["maps", "socket"] },
  this_cpu_ptr: { id: 154, args: ["percpu-btf"], returns: "btf", effect: "writes", changes: ["maps", "socket"] },
  redirect_peer: { id: 155, args: ["any", "any"], returns: "integer", effect: "writes", changes: ["maps", "socket"] },
  task_storage_get: { id: 156, args: ["map", "btf", "value-or-null", "any"], returns: "value-or-null", effect: "writes", changes: ["maps", "socket"] },
  task_storage_delete: { id: 157, args: ["map", "btf"], returns: "integer", effect: "writes", changes: ["maps", "socket"] },
  get_current_task_btf: { id: 158, args: [], returns: "btf", effect: "reads", gplOnly: true },
  bprm_opts_set: { id: 159, args: ["btf", "any"], returns: "integer", effect: "writes", changes: ["maps", "socket"] },
  ktime_get_coarse_ns: { id: 160, args: [], returns: "integer", effect: "reads" },
  ima_inode_hash: { id: 161, args: ["btf", "mem-out", "size"], returns: "integer", effect: "writes", changes: ["maps", "socket"], sleeps: true },
  sock_from_file: { id: 162, args: ["btf"], returns: "btf-or-null", effect: "writes", changes: ["maps", "socket"] },
  check_mtu: { id: 163, args: ["ctx", "any", { fixed: 4, access: "inout" }, "any", "any"], returns: "integer", effect: "writes", changes: ["maps", "socket"], gplOnly: true },
  for_each_map_elem: { id: 164, args: ["map", "func", "stack-or-null", "any"], returns: "integer", effect: "writes", changes: ["maps", "socket"] },
  snprintf: { id: 165, args: ["mem-inout-or-null", "size-or-zero", "const-str", "mem-or-null", "size-or-zero"], returns: "integer", effect: "reads", gplOnly: true },
  sys_bpf: { id: 166, args: ["any", "mem", "size"], returns: "integer", effect: "writes", changes: ["maps", "socket"], sleeps: true },
  btf_find_by_name_kind: { id: 167, args: ["mem", "size", "any", "any"], returns: "integer", effect: "writes", changes: ["maps", "socket"], sleeps: true },
  sys_close: { id: 168, args: ["any"], returns: "integer", effect: "writes", changes: ["maps", "socket"], sleeps: true },
  timer_init: { id: 169, args: ["timer", "map", "any"], returns: "integer", effect: "writes", changes: ["maps", "socket"], gplOnly: true },
  timer_set_callback: { id: 170, args: ["timer", "func"], returns: "integer", effect: "writes", changes: ["maps", "socket"], gplOnly: true },
  timer_start: { id: 171, args: ["timer", "any", "any"], returns: "integer", effect: "writes", changes: ["maps", "socket"], gplOnly: true },
  timer_cancel: { id: 172, args: ["timer"], returns: "integer", effect: "writes", changes: ["maps", "socket"], gplOnly: true },
  get_func_ip: { id: 173, args: ["ctx"], returns: "integer", effect: "reads", gplOnly: true },
  get_attach_cookie: { id: 174, args: ["ctx"], returns: "integer", effect: "writes", changes: ["maps", "socket"] },
  task_pt_regs: { id: 175, args: ["btf"], returns: "btf", effect: "writes", changes: ["maps", "socket"], gplOnly: true },
  get_branch_snapshot: { id: 176, args: ["mem-out", "size-or-zero"], returns: "integer", effect: "writes", changes: ["maps", "socket"], gplOnly: true },
  trace_vprintk: { id: 177, args: ["mem", "size", "mem-or-null", "size-or-zero"], returns: "integer", effect: "writes", gplOnly: true },
  skc_to_unix_sock: { id: 178, args: ["btf-sock"], returns: "btf-or-null", effect: "reads" },
  kallsyms_lookup_name: { id: 179, args: ["mem-inout", "size-or-zero", "any", { fixed: 8, access: "out" }], returns: "integer", effect: "writes", changes: ["maps", "socket"] },
  find_vma: { id: 180, args: ["btf", "any", "func", "stack-or-null", "any"], returns: "integer", effect: "writes", changes: ["maps", "socket"] },
  loop: { id: 181, args: ["scalar", "func", "stack-or-null", "any"], returns: "integer", effect: "writes", changes: ["maps", "socket"] },
  strncmp: { id: 182, args: ["mem", "size", "const-str"], returns: "integer", effect: "reads" },
  get_func_arg: { id: 183, args: ["ctx", "any", { fixed: 8, access: "out" }], returns: "integer", effect: "writes", changes: ["maps", "socket"] },
  get_func_ret: { id: 184, args: ["ctx", { fixed: 8, access: "out" }], returns: "integer", effect: "writes", changes: ["maps", "socket"] },
  get_func_arg_cnt: { id: 185, args: ["ctx"], returns: "integer", effect: "writes", changes: ["maps", "socket"] },
  get_retval: { id: 186, args: [], returns: "integer", effect: "reads" },
  set_retval: { id: 187, args: ["any"], returns: "integer", effect: "writes", changes: ["maps", "socket"] },
  xdp_get_buff_len: { id: 188, args: ["ctx"], returns: "integer", effect: "reads" },
  xdp_load_bytes: { id: 189, args: ["ctx", "any", "mem-out", "size"], returns: "integer", effect: "reads" },
  xdp_store_bytes: { id: 190, args: ["ctx", "any", "mem", "size"], returns: "integer", effect: "writes", changes: ["maps", "socket"] },
  copy_from_user_task: { id: 191, args: ["mem-out", "size-or-zero", "any", "btf", "any"], returns: "integer", effect: "writes", changes: ["maps", "socket"], gplOnly: true, sleeps: true },
  skb_set_tstamp: { id: 192, args: ["ctx", "any", "any"], returns: "integer", effect: "writes", changes: ["maps", "socket"] },
  ima_file_hash: { id: 193, args: ["btf", "mem-out", "size"], returns: "integer", effect: "writes", changes: ["maps", "socket"], sleeps: true },
  kptr_xchg: { id: 194, args: ["kptr", "btf-or-null"], returns: "btf-or-null", effect: "writes", changes: ["maps", "socket"], releases: 1 },
  map_lookup_percpu_elem: { id: 195, args: ["map", "key", "any"], returns: "value-or-null", effect: "reads", packetArgs: true },
  skc_to_mptcp_sock: { id: 196, args: ["sock-common"], returns: "btf-or-null", effect: "reads" },
  dynptr_from_mem: { id: 197, args: ["mem-out", "size-or-zero", "any", "dynptr"], returns: "integer", effect: "writes", changes: ["maps", "socket"] },
  ringbuf_reserve_dynptr: { id: 198, args: ["map", "any", "any", "dynptr"], returns: "integer", effect: "writes", changes: ["maps", "socket"], needs: "ring-buffer" },
  ringbuf_submit_dynptr: { id: 199, args: ["dynptr", "any"], returns: "void", effect: "writes", changes: ["maps", "socket"], releases: 0, needs: "ring-buffer" },
  ringbuf_discard_dynptr: { id: 200, args: ["dynptr", "any"], returns: "void", effect: "writes", changes: ["maps", "socket"], releases: 0, needs: "ring-buffer" },
  dynptr_read: { id: 201, args: ["mem-out", "size-or-zero", "dynptr", "any", "any"], returns: "integer", effect: "writes", changes: ["maps", "socket"] },
  dynptr_write: { id: 202, args: ["dynptr", "any", "mem", "size-or-zero", "any"], returns: "integer", effect: "writes", changes: ["maps", "socket"] },
  dynptr_data: { id: 203, args: ["dynptr", "any", "alloc-size"], returns: "dynptr-mem-or-null", effect: "writes", changes: ["maps", "socket"] },
  tcp_raw_gen_syncookie_ipv4: { id: 204, args: [{ fixed: 20, access: "in" }, "mem-inout", "size-or-zero"], returns: "integer", effect: "writes", changes: ["maps", "socket"], gplOnly: true, packetArgs: true },
  tcp_raw_gen_syncookie_ipv6: { id: 205, args: [{ fixed: 40, access: "in" }, "mem-inout", "size-or-zero"], returns: "integer", effect: "writes", changes: ["maps", "socket"], gplOnly: true, packetArgs: true },
  tcp_raw_check_syncookie_ipv4: { id: 206, args: [{ fixed: 20, access: "in" }, { fixed: 20, access: "in" }], returns: "integer", effect: "writes", changes: ["maps", "socket"], gplOnly: true, packetArgs: true },
  tcp_raw_check_syncookie_ipv6: { id: 207, args: [{ fixed: 40, access: "in" }, { fixed: 20, access: "in" }], returns: "integer", effect: "writes", changes: ["maps", "socket"], gplOnly: true, packetArgs: true },
  ktime_get_tai_ns: { id: 208, args: [], returns: "integer", effect: "reads" },
  user_ringbuf_drain: { id: 209, args: ["map", "func", "stack-or-null", "any"], returns: "integer", effect: "writes", changes: ["maps", "socket"] },
  cgrp_storage_get: { id: 210, args: ["map", "btf", "value-or-null", "any"], returns: "value-or-null", effect: "writes", changes: ["maps", "socket"] },
  cgrp_storage_delete: { id: 211, args: ["map", "btf"], returns: "integer", effect: "writes", changes: ["maps", "socket"] },
  mptcp_open_subflow: { id: 212, args: ["ctx", "mem-or-null", "size-or-zero", "mem-or-null", "size-or-zero"], returns: "integer", effect: "writes", changes: ["socket"], needs: "helper:mptcp-open-subflow" },
  mptcp_close_subflow: { id: 213, args: ["ctx", "mem-or-null", "size-or-zero", "mem-or-null", "size-or-zero"], returns: "integer", effect: "writes", changes: ["socket"], needs: "helper:mptcp-close-subflow" },
  mptcp_set_priority: { id: 214, args: ["ctx", "mem-or-null", "size-or-zero", "any"], returns: "integer", effect: "writes", changes: ["socket"], needs: "helper:mptcp-set-priority" },
  mptcp_set_timer: { id: 215, args: ["ctx", "any"], returns: "integer", effect: "writes", changes: ["socket"], needs: "helper:mptcp-set-timer" },
  mptcp_announce_addr: { id: 216, args: ["ctx", "mem-or-null", "size-or-zero", "any"], returns: "integer", effect: "writes", changes: ["socket"], needs: "helper:mptcp-announce-addr" },
} as const satisfies Record<string, Helper>;
export type HelperName = keyof typeof HELPERS;

const byId: ReadonlyMap<number, HelperName> = new Map(
  (Object.keys(HELPERS) as HelperName[]).map((name) => [HELPERS[name].id, name]),
);

/** The helper with this number in a `call`, or undefined. */
export const helperName = (id: number): HelperName | undefined => byId.get(id);
/** The row of a helper, as the general type. */
export const helper = (name: HelperName): Helper => HELPERS[name];
