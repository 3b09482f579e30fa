/** Kinds that attach to a cgroup and that are judged, but not compiled. */
import { SOCKET, type ContextLayout } from "./access.ts";
import { ATTACH_TYPES, attachNumbers } from "./attach-types.ts";
import { RETURN_VALUE } from "./helper-groups.ts";
import type { Kind } from "./kind.ts";

const CREATION = attachNumbers("cgroup_inet_sock_create", "cgroup_inet_sock_release");
function socketContext(attach: number): ContextLayout {
  const bound4 = attach === ATTACH_TYPES.cgroup_inet4_post_bind;
  const bound6 = attach === ATTACH_TYPES.cgroup_inet6_post_bind;
  const hidden = [
    ...(CREATION.has(attach) ? [] : ["bound_dev_if", "mark", "priority"]),
    ...(bound4 ? [] : ["src_ip4"]),
    ...(bound6 ? [] : ["src_ip6"]),
    ...(bound4 || bound6 ? [] : ["src_port"]),
  ];
  const writable = ["bound_dev_if", "mark", "priority"];
  return {
    bytes: SOCKET.bytes,
    ranges: SOCKET.ranges
      .filter((range) => !hidden.includes(range.name))
      .map((range) => (writable.includes(range.name) ? { ...range, write: 4 as const } : range)),
  };
}
export const cgroupSock = {
  number: 9,
  context: "bpf_sock",
  attaches: "cgroup",
  sections: {
    "cgroup/sock_create": { attach: "cgroup_inet_sock_create" },
    "cgroup/sock": { attach: "cgroup_inet_sock_create" },
    "cgroup/sock_release": { attach: "cgroup_inet_sock_release" },
    "cgroup/post_bind4": { attach: "cgroup_inet4_post_bind" },
    "cgroup/post_bind6": { attach: "cgroup_inet6_post_bind" },
  },
  layout: socketContext,
  returns: [0, 1],
  // prettier-ignore
  helpers: [
    "perf_event_output", "get_socket_cookie", "get_local_storage", "sk_storage_get", "get_netns_cookie",
    "ktime_get_coarse_ns", ...RETURN_VALUE,
  ],
} as const satisfies Kind;

export const cgroupDevice = {
  number: 15,
  context: "bpf_cgroup_dev_ctx",
  attaches: "cgroup",
  sections: { "cgroup/dev": { attach: "cgroup_device" } },
  layout: {
    bytes: 12,
    ranges: [
      { name: "access_type", start: 0, end: 4, read: "up-to-4" },
      { name: "major", start: 4, end: 8, read: 4 },
      { name: "minor", start: 8, end: 12, read: 4 },
    ],
  },
  returns: [0, 1],
  helpers: ["perf_event_output", "get_local_storage", ...RETURN_VALUE],
} as const satisfies Kind;

export const cgroupSysctl = {
  number: 23,
  context: "bpf_sysctl",
  attaches: "cgroup",
  sections: { "cgroup/sysctl": { attach: "cgroup_sysctl" } },
  layout: {
    bytes: 8,
    ranges: [
      { name: "write", start: 0, end: 4, read: "up-to-4" },
      { name: "file_pos", start: 4, end: 8, read: "up-to-4", write: 4 },
    ],
  },
  returns: [0, 1],
  // prettier-ignore
  helpers: [
    "perf_event_output", "get_local_storage", "sysctl_get_name", "sysctl_get_current_value", "sysctl_get_new_value",
    "sysctl_set_new_value", "ktime_get_coarse_ns", ...RETURN_VALUE,
  ],
} as const satisfies Kind;
