/** Which helpers go with which map types: the kernel checks both directions (check_map_func_compatibility). */
import type { HelperName } from "./helpers.ts";
import { socketMapAccess } from "./kinds/index.ts";
import type { MapTypeName } from "./map-types.ts";

/** Helpers that take a map of this type; absent: any helper, as far as MAPS_OF_HELPER agrees. */
export const HELPERS_OF_MAP: Readonly<Partial<Record<MapTypeName, readonly HelperName[]>>> = {
  prog_array: ["tail_call"],
  perf_event_array: ["perf_event_read", "perf_event_output", "skb_output", "perf_event_read_value", "xdp_output"],
  ringbuf: [
    "ringbuf_output",
    "ringbuf_reserve",
    "ringbuf_query",
    "ringbuf_reserve_dynptr",
    "ringbuf_submit_dynptr",
    "ringbuf_discard_dynptr",
  ],
  user_ringbuf: ["user_ringbuf_drain"],
  stack_trace: ["get_stackid"],
  cgroup_array: ["skb_under_cgroup", "current_task_under_cgroup"],
  cgroup_storage: ["get_local_storage"],
  percpu_cgroup_storage: ["get_local_storage"],
  devmap: ["redirect_map", "map_lookup_elem"],
  devmap_hash: ["redirect_map", "map_lookup_elem"],
  cpumap: ["redirect_map"],
  xskmap: ["redirect_map", "map_lookup_elem"],
  array_of_maps: ["map_lookup_elem"],
  hash_of_maps: ["map_lookup_elem"],
  sockmap: ["sk_redirect_map", "sock_map_update", "msg_redirect_map", "sk_select_reuseport", "map_lookup_elem"],
  sockhash: ["sk_redirect_hash", "sock_hash_update", "msg_redirect_hash", "sk_select_reuseport", "map_lookup_elem"],
  reuseport_sockarray: ["sk_select_reuseport"],
  queue: ["map_peek_elem", "map_pop_elem", "map_push_elem"],
  stack: ["map_peek_elem", "map_pop_elem", "map_push_elem"],
  sk_storage: ["sk_storage_get", "sk_storage_delete", "kptr_xchg"],
  inode_storage: ["inode_storage_get", "inode_storage_delete", "kptr_xchg"],
  task_storage: ["task_storage_get", "task_storage_delete", "kptr_xchg"],
  cgrp_storage: ["cgrp_storage_get", "cgrp_storage_delete", "kptr_xchg"],
  bloom_filter: ["map_peek_elem", "map_push_elem"],
};

const EVENTS = ["perf_event_array"] as const;
const RINGBUF = ["ringbuf"] as const;
/** Map types that a helper takes; absent: any. */
export const MAPS_OF_HELPER: Readonly<Partial<Record<HelperName, readonly MapTypeName[]>>> = {
  tail_call: ["prog_array"],
  perf_event_read: EVENTS,
  perf_event_output: EVENTS,
  perf_event_read_value: EVENTS,
  skb_output: EVENTS,
  xdp_output: EVENTS,
  ringbuf_output: RINGBUF,
  ringbuf_reserve: RINGBUF,
  ringbuf_query: RINGBUF,
  ringbuf_reserve_dynptr: RINGBUF,
  user_ringbuf_drain: ["user_ringbuf"],
  get_stackid: ["stack_trace"],
  current_task_under_cgroup: ["cgroup_array"],
  skb_under_cgroup: ["cgroup_array"],
  redirect_map: ["devmap", "devmap_hash", "cpumap", "xskmap"],
  sk_redirect_map: ["sockmap"],
  msg_redirect_map: ["sockmap"],
  sock_map_update: ["sockmap"],
  sk_redirect_hash: ["sockhash"],
  msg_redirect_hash: ["sockhash"],
  sock_hash_update: ["sockhash"],
  get_local_storage: ["cgroup_storage", "percpu_cgroup_storage"],
  sk_select_reuseport: ["reuseport_sockarray", "sockmap", "sockhash"],
  map_pop_elem: ["queue", "stack"],
  map_peek_elem: ["queue", "stack", "bloom_filter"],
  map_push_elem: ["queue", "stack", "bloom_filter"],
  map_lookup_percpu_elem: ["percpu_array", "percpu_hash", "lru_percpu_hash"],
  sk_storage_get: ["sk_storage"],
  sk_storage_delete: ["sk_storage"],
  inode_storage_get: ["inode_storage"],
  inode_storage_delete: ["inode_storage"],
  task_storage_get: ["task_storage"],
  task_storage_delete: ["task_storage"],
  cgrp_storage_get: ["cgrp_storage"],
  cgrp_storage_delete: ["cgrp_storage"],
};

export function goTogether(map: MapTypeName, helper: HelperName, programType: string): boolean {
  const maps = MAPS_OF_HELPER[helper];
  if (maps !== undefined && !maps.includes(map)) return false;
  const helpers = HELPERS_OF_MAP[map];
  if (helpers === undefined || helpers.includes(helper)) return true;
  if (map !== "sockmap" && map !== "sockhash") return false;
  const access = socketMapAccess(programType);
  return helper === "map_delete_elem" ? access !== undefined : helper === "map_update_elem" && access === "write";
}
