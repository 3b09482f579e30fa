/** XDP: packets as the driver sees them. */
import type { ContextRange } from "./access.ts";
import { ATTACH_TYPES } from "./attach-types.ts";
import { SOCKET_CASTS } from "./helper-groups.ts";
import type { Kind } from "./kind.ts";

const FIELDS: readonly ContextRange[] = [
  { name: "data", start: 0, end: 4, read: 4, pointer: "packet", unsignedOnly: true },
  { name: "data_end", start: 4, end: 8, read: 4, pointer: "packet-end", unsignedOnly: true },
  { name: "data_meta", start: 8, end: 12, read: 4, pointer: "packet-meta", unsignedOnly: true },
  { name: "ingress_ifindex", start: 12, end: 16, read: 4 },
  { name: "rx_queue_index", start: 16, end: 20, read: 4 },
];
const EGRESS: ContextRange = { name: "egress_ifindex", start: 20, end: 24, read: 4 };

export const xdp = {
  number: 6,
  context: "xdp_md",
  sections: {
    xdp: { attach: "xdp" },
    "xdp.frags": { attach: "xdp" },
    "xdp/devmap": { attach: "xdp_devmap" },
    "xdp.frags/devmap": { attach: "xdp_devmap" },
    "xdp/cpumap": { attach: "xdp_cpumap" },
    "xdp.frags/cpumap": { attach: "xdp_cpumap" },
  },
  layout: (attach) => ({ bytes: 24, ranges: attach === ATTACH_TYPES.xdp_devmap ? [...FIELDS, EGRESS] : FIELDS }),
  packet: "read-write",
  socketMaps: "write",
  // prettier-ignore
  helpers: [
    "redirect", "perf_event_output", "csum_diff", "xdp_adjust_head", "redirect_map", "xdp_adjust_meta",
    "xdp_adjust_tail", "fib_lookup", "sk_lookup_tcp", "sk_lookup_udp", "sk_release", "skc_lookup_tcp",
    "tcp_check_syncookie", "tcp_gen_syncookie", "ktime_get_coarse_ns", "check_mtu", "xdp_get_buff_len",
    "xdp_load_bytes", "xdp_store_bytes", "tcp_raw_gen_syncookie_ipv4", "tcp_raw_gen_syncookie_ipv6",
    "tcp_raw_check_syncookie_ipv4", "tcp_raw_check_syncookie_ipv6", ...SOCKET_CASTS,
  ],
} as const satisfies Kind;
