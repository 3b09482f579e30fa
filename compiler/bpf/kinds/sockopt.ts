/** cgroup_sockopt: an application's getsockopt and setsockopt. */
import type { ContextLayout } from "./access.ts";
import { ATTACH_TYPES } from "./attach-types.ts";
import { RETURN_VALUE } from "./helper-groups.ts";
import type { Kind } from "./kind.ts";

function sockopt(attach: number): ContextLayout {
  const set = attach === ATTACH_TYPES.cgroup_setsockopt ? { write: 4 as const } : {};
  const get = attach === ATTACH_TYPES.cgroup_getsockopt;
  return {
    bytes: 40,
    ranges: [
      { name: "sk", start: 0, end: 8, read: 8, pointer: "socket" },
      { name: "optval", start: 8, end: 16, read: 8, pointer: "packet" },
      { name: "optval_end", start: 16, end: 24, read: 8, pointer: "packet-end" },
      { name: "level", start: 24, end: 28, read: 4, ...set },
      { name: "optname", start: 28, end: 32, read: 4, ...set },
      { name: "optlen", start: 32, end: 36, read: 4, write: 4 },
      ...(get ? [{ name: "retval", start: 36, end: 40, read: 4 as const, write: 4 as const }] : []),
    ],
  };
}

export const socketOptions = {
  number: 25,
  context: "bpf_sockopt",
  attaches: "cgroup",
  sections: {
    "cgroup/getsockopt": { attach: "cgroup_getsockopt" },
    "cgroup/setsockopt": { attach: "cgroup_setsockopt" },
  },
  layout: sockopt,
  returns: [0, 1],
  packet: "read-write",
  packetForHelpers: true,
  // prettier-ignore
  helpers: [
    "perf_event_output", "get_local_storage", "tcp_sock", "sk_storage_get", "sk_storage_delete", "get_netns_cookie",
    ...RETURN_VALUE,
  ],
} as const satisfies Kind;
