/** Kinds whose context is struct __sk_buff. */
import type { HelperName } from "../helpers.ts";
import type { Version } from "../verifier-rules.ts";
import {
  layout,
  pointer,
  type AccessRule,
  type ContextLayout,
  type ContextPointer,
  type ContextRange,
} from "./access.ts";
import { SOCKET_CASTS } from "./helper-groups.ts";
import type { Kind } from "./kind.ts";

const SK_BUFF = layout(192, [
  ["len", 0, 4, "up-to-4"],
  ["pkt_type", 4, 8, "up-to-4"],
  ["mark", 8, 12, "up-to-4"],
  ["queue_mapping", 12, 16, "up-to-4"],
  ["protocol", 16, 20, "up-to-4"],
  ["vlan_present", 20, 24, "up-to-4"],
  ["vlan_tci", 24, 28, "up-to-4"],
  ["vlan_proto", 28, 32, "up-to-4"],
  ["priority", 32, 36, "up-to-4"],
  ["ingress_ifindex", 36, 40, "up-to-4"],
  ["ifindex", 40, 44, "up-to-4"],
  ["tc_index", 44, 48, "up-to-4"],
  ["cb", 48, 68, "inside"],
  ["hash", 68, 72, "up-to-4"],
  ["tc_classid", 72, 76, "up-to-4"],
  ["data", 76, 80, 4],
  ["data_end", 80, 84, 4],
  ["napi_id", 84, 88, "up-to-4"],
  ["family", 88, 92, "up-to-4"],
  ["remote_ip4", 92, 96, 4],
  ["local_ip4", 96, 100, 4],
  ["remote_ip6", 100, 116, 4],
  ["local_ip6", 116, 132, 4],
  ["remote_port", 132, 136, "up-to-4"],
  ["local_port", 136, 140, "up-to-4"],
  ["data_meta", 140, 144, 4],
  ["flow_keys", 144, 152],
  ["tstamp", 152, 160, 8],
  ["wire_len", 160, 164, "up-to-4"],
  ["gso_segs", 164, 168, "up-to-4"],
  ["sk", 168, 176, 8],
  ["gso_size", 176, 180, "up-to-4"],
  ["tstamp_type", 180, 181],
  ["hwtstamp", 184, 192, 8],
]);

const SINCE: ReadonlyMap<string, Version> = new Map([
  ["hwtstamp", "5.16"],
  ["tstamp_type", "5.18"],
]);

const ADDRESSES = ["family", "remote_ip4", "local_ip4", "remote_ip6", "local_ip6", "remote_port", "local_port"];
/** Not numbers a program could use: they are only of use as pointers where the type gives them as such. */
const UNSIGNED_ONLY = new Set(["data", "data_end", "data_meta"]);

interface SkbRules {
  readonly without: readonly string[];
  readonly writable: readonly string[];
  readonly pointers?: Readonly<Record<string, ContextPointer>>;
  readonly extra?: Readonly<Record<string, Partial<ContextRange>>>;
}
function skBuff(rules: SkbRules): ContextLayout {
  const ranges = SK_BUFF.ranges
    .filter((range) => !rules.without.includes(range.name))
    .map((range): ContextRange => {
      const to = range.name === "sk" ? "sock-common-or-null" : rules.pointers?.[range.name];
      const write: AccessRule = range.name === "cb" ? "inside" : range.name === "tstamp" ? 8 : 4;
      return {
        ...range,
        ...(rules.writable.includes(range.name) ? { write } : {}),
        ...(to === undefined ? {} : { pointer: to }),
        ...(SINCE.has(range.name) ? { since: SINCE.get(range.name)! } : {}),
        ...(UNSIGNED_ONLY.has(range.name) ? { unsignedOnly: true as const } : {}),
        ...rules.extra?.[range.name],
      };
    });
  return { bytes: SK_BUFF.bytes, ranges };
}
const PACKET = { data: "packet", data_end: "packet-end" } as const;

/** Traffic control and tunnels read the class of the packet's socket; everywhere else it is that of the current task. */
const PACKET_CLASS: Kind["signatures"] = { get_cgroup_classid: ["ctx"] };

export const socketFilter = {
  number: 1,
  context: "__sk_buff",
  sections: { socket: {} },
  layout: skBuff({
    without: ["tc_classid", "data", "data_meta", "data_end", ...ADDRESSES, "tstamp", "wire_len", "hwtstamp"],
    writable: ["cb"],
  }),
  packetLoads: true,
  socketMaps: "write",
  // prettier-ignore
  helpers: [
    "perf_event_output", "skb_load_bytes", "get_socket_cookie", "get_socket_uid", "skb_load_bytes_relative",
    "get_netns_cookie", "ktime_get_coarse_ns", ...SOCKET_CASTS,
  ],
} as const satisfies Kind;

const trafficControl = {
  context: "__sk_buff",
  layout: skBuff({
    without: ADDRESSES,
    writable: ["mark", "tc_index", "priority", "tc_classid", "cb", "tstamp", "queue_mapping"],
    pointers: { ...PACKET, data_meta: "packet-meta" },
    extra: { tstamp_type: { read: 1 } },
  }),
  packet: "read-write",
  packetLoads: true,
  socketMaps: "write",
  signatures: PACKET_CLASS,
  // prettier-ignore
  helpers: [
    "skb_store_bytes", "l3_csum_replace", "l4_csum_replace", "clone_redirect", "skb_vlan_push", "skb_vlan_pop",
    "skb_get_tunnel_key", "skb_set_tunnel_key", "redirect", "get_route_realm", "perf_event_output", "skb_load_bytes",
    "csum_diff", "skb_get_tunnel_opt", "skb_set_tunnel_opt", "skb_change_proto", "skb_change_type",
    "skb_under_cgroup", "get_hash_recalc", "skb_change_tail", "skb_pull_data", "csum_update", "set_hash_invalid",
    "skb_change_head", "get_socket_cookie", "get_socket_uid", "set_hash", "skb_adjust_room", "skb_get_xfrm_state",
    "skb_load_bytes_relative", "fib_lookup", "skb_cgroup_id", "skb_ancestor_cgroup_id", "sk_lookup_tcp",
    "sk_lookup_udp", "sk_release", "sk_fullsock", "tcp_sock", "skb_ecn_set_ce", "get_listener_sock",
    "skc_lookup_tcp", "tcp_check_syncookie", "sk_storage_get", "sk_storage_delete", "tcp_gen_syncookie",
    "get_netns_cookie", "sk_assign", "csum_level", "skb_cgroup_classid", "redirect_neigh", "redirect_peer",
    "ktime_get_coarse_ns", "check_mtu", "skb_set_tstamp", "tcp_raw_gen_syncookie_ipv4",
    "tcp_raw_gen_syncookie_ipv6", "tcp_raw_check_syncookie_ipv4", "tcp_raw_check_syncookie_ipv6", ...SOCKET_CASTS,
  ],
} as const satisfies Omit<Kind, "number" | "sections">;
export const schedCls = {
  ...trafficControl,
  number: 3,
  sections: {
    tc: {},
    "tcx/ingress": { attach: "tcx_ingress" },
    "tcx/egress": { attach: "tcx_egress" },
    classifier: {},
  },
} as const satisfies Kind;
export const schedAct = { ...trafficControl, number: 4, sections: { action: {} } } as const satisfies Kind;

export const cgroupSkb = {
  number: 8,
  context: "__sk_buff",
  attaches: "cgroup",
  sections: {
    "cgroup_skb/ingress": { attach: "cgroup_inet_ingress" },
    "cgroup_skb/egress": { attach: "cgroup_inet_egress" },
    "cgroup/skb": { attach: "cgroup_inet_ingress" },
  },
  layout: skBuff({
    without: ["tc_classid", "data_meta", "wire_len"],
    writable: ["mark", "priority", "cb", "tstamp"],
    pointers: PACKET,
  }),
  returns: (attach) => (attach === 1 ? [0, 3] : [0, 1]),
  packet: "read",
  // prettier-ignore
  helpers: [
    "perf_event_output", "skb_load_bytes", "get_socket_cookie", "get_socket_uid", "skb_load_bytes_relative",
    "skb_cgroup_id", "get_local_storage", "skb_ancestor_cgroup_id", "sk_lookup_tcp", "sk_lookup_udp", "sk_release",
    "sk_fullsock", "tcp_sock", "skb_ecn_set_ce", "get_listener_sock", "skc_lookup_tcp", "sk_storage_get",
    "sk_storage_delete", "get_netns_cookie", "sk_cgroup_id", "sk_ancestor_cgroup_id", "ktime_get_coarse_ns",
    ...SOCKET_CASTS,
  ],
} as const satisfies Kind;

// prettier-ignore
const LWT_HELPERS = [
  "get_route_realm", "perf_event_output", "skb_load_bytes", "csum_diff", "skb_under_cgroup", "get_hash_recalc",
  "skb_pull_data", "ktime_get_coarse_ns", ...SOCKET_CASTS,
] as const satisfies readonly HelperName[];
const tunnel = {
  context: "__sk_buff",
  layout: skBuff({
    without: ["tc_classid", ...ADDRESSES, "data_meta", "tstamp", "wire_len", "hwtstamp"],
    writable: ["mark", "priority", "cb"],
    pointers: PACKET,
  }),
  packet: "read",
  signatures: PACKET_CLASS,
} as const satisfies Partial<Kind>;
export const lwtIn = {
  ...tunnel,
  number: 10,
  sections: { lwt_in: {} },
  helpers: [...LWT_HELPERS, "lwt_push_encap"],
} as const satisfies Kind;
export const lwtOut = {
  ...tunnel,
  number: 11,
  sections: { lwt_out: {} },
  helpers: LWT_HELPERS,
} as const satisfies Kind;
export const lwtXmit = {
  ...tunnel,
  number: 12,
  sections: { lwt_xmit: {} },
  packet: "read-write",
  // prettier-ignore
  helpers: [
    ...LWT_HELPERS, "skb_store_bytes", "l3_csum_replace", "l4_csum_replace", "clone_redirect", "skb_get_tunnel_key",
    "skb_set_tunnel_key", "redirect", "skb_get_tunnel_opt", "skb_set_tunnel_opt", "skb_change_tail", "csum_update",
    "set_hash_invalid", "skb_change_head", "lwt_push_encap", "csum_level",
  ],
} as const satisfies Kind;
export const lwtSeg6Local = {
  ...tunnel,
  number: 19,
  sections: { lwt_seg6local: {} },
  helpers: [...LWT_HELPERS, "lwt_seg6_store_bytes", "lwt_seg6_adjust_srh", "lwt_seg6_action"],
} as const satisfies Kind;

export const skSkb = {
  number: 14,
  context: "__sk_buff",
  sections: {
    "sk_skb/stream_parser": { attach: "sk_skb_stream_parser" },
    "sk_skb/stream_verdict": { attach: "sk_skb_stream_verdict" },
    "sk_skb/verdict": { attach: "sk_skb_verdict" },
    sk_skb: {},
  },
  layout: skBuff({
    without: ["tc_classid", "data_meta", "tstamp", "wire_len", "hwtstamp", "mark"],
    writable: ["tc_index", "priority"],
    pointers: PACKET,
  }),
  packet: "read-write",
  // prettier-ignore
  helpers: [
    "skb_store_bytes", "perf_event_output", "skb_load_bytes", "skb_change_tail", "skb_pull_data", "skb_change_head",
    "get_socket_cookie", "get_socket_uid", "skb_adjust_room", "sk_redirect_map", "sk_redirect_hash", "sk_lookup_tcp",
    "sk_lookup_udp", "sk_release", "skc_lookup_tcp", "ktime_get_coarse_ns", ...SOCKET_CASTS,
  ],
} as const satisfies Kind;

export const flowDissector = {
  number: 22,
  context: "__sk_buff",
  sections: { flow_dissector: { attach: "flow_dissector" } },
  layout: {
    bytes: 192,
    ranges: [
      { name: "data", start: 76, end: 80, read: 4, pointer: "packet", unsignedOnly: true },
      { name: "data_end", start: 80, end: 84, read: 4, pointer: "packet-end", unsignedOnly: true },
      pointer("flow_keys", 144, "flow-keys"),
    ],
  },
  packet: "read",
  socketMaps: "write",
  helpers: ["skb_load_bytes", "ktime_get_coarse_ns", ...SOCKET_CASTS],
} as const satisfies Kind;
