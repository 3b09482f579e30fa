/** Kinds that choose sockets, or see what goes through them. */
import { pointer } from "./access.ts";
import { SOCKET_CASTS } from "./helper-groups.ts";
import type { Kind } from "./kind.ts";

export const skMsg = {
  number: 16,
  context: "sk_msg_md",
  sections: { sk_msg: { attach: "sk_msg_verdict" } },
  layout: {
    bytes: 80,
    ranges: [
      pointer("data", 0, "packet"),
      pointer("data_end", 8, "packet-end"),
      { name: "(32-bit fields)", start: 16, end: 72, read: 4 },
      pointer("sk", 72, "socket"),
    ],
  },
  packet: "read-write",
  // prettier-ignore
  helpers: [
    "perf_event_output", "msg_redirect_map", "msg_apply_bytes", "msg_cork_bytes", "msg_pull_data",
    "msg_redirect_hash", "msg_push_data", "msg_pop_data", "sk_storage_get", "sk_storage_delete", "get_netns_cookie",
    "ktime_get_coarse_ns", ...SOCKET_CASTS,
  ],
} as const satisfies Kind;

export const skReuseport = {
  number: 21,
  context: "sk_reuseport_md",
  sections: {
    "sk_reuseport/migrate": { attach: "sk_reuseport_select_or_migrate" },
    sk_reuseport: { attach: "sk_reuseport_select" },
  },
  layout: {
    bytes: 56,
    ranges: [
      pointer("data", 0, "packet"),
      pointer("data_end", 8, "packet-end"),
      { name: "len", start: 16, end: 20, read: "up-to-4" },
      { name: "eth_protocol", start: 20, end: 24, read: "2-or-4" },
      { name: "ip_protocol", start: 24, end: 28, read: "up-to-4" },
      { name: "bind_inany", start: 28, end: 32, read: "up-to-4" },
      { name: "hash", start: 32, end: 36, read: 4 },
      pointer("sk", 40, "socket"),
      pointer("migrating_sk", 48, "sock-common-or-null"),
    ],
  },
  packet: "read",
  socketMaps: "write",
  signatures: { get_socket_cookie: ["btf-sock-or-null"] },
  // prettier-ignore
  helpers: [
    "skb_load_bytes", "get_socket_cookie", "skb_load_bytes_relative", "sk_select_reuseport", "ktime_get_coarse_ns",
  ],
} as const satisfies Kind;

export const skLookup = {
  number: 30,
  context: "bpf_sk_lookup",
  sections: { sk_lookup: { attach: "sk_lookup" } },
  layout: {
    bytes: 72,
    ranges: [
      pointer("sk", 0, "socket-or-null"),
      { name: "family", start: 8, end: 12, read: "up-to-4" },
      { name: "protocol", start: 12, end: 16, read: "up-to-4" },
      { name: "remote_ip4", start: 16, end: 20, read: "up-to-4" },
      { name: "remote_ip6", start: 20, end: 36, read: "up-to-4" },
      { name: "remote_port", start: 36, end: 38, read: "up-to-2-or-4" },
      { name: "(padding)", start: 38, end: 40, read: "up-to-2" },
      { name: "local_ip4", start: 40, end: 44, read: "up-to-4" },
      { name: "local_ip6", start: 44, end: 60, read: "up-to-4" },
      { name: "local_port", start: 60, end: 64, read: "up-to-4" },
      { name: "ingress_ifindex", start: 64, end: 68, read: "up-to-4" },
    ],
  },
  returns: [0, 1],
  socketMaps: "write",
  helpers: ["perf_event_output", "sk_release", "sk_assign", "ktime_get_coarse_ns", ...SOCKET_CASTS],
} as const satisfies Kind;
