/** cgroup_sock_addr: system calls that name an address (connect, bind, sendmsg, …), before the kernel acts on it. */
import type { HelperName } from "../helpers.ts";
import { attachNumbers, type AttachTypeName } from "./attach-types.ts";
import { layoutOf } from "./fields.ts";
import { RETURN_VALUE, SOCKET_CASTS } from "./helper-groups.ts";
import type { CompiledKind, ContextField } from "./kind.ts";

const IP4 = [
  "cgroup_inet4_bind",
  "cgroup_inet4_connect",
  "cgroup_udp4_sendmsg",
  "cgroup_udp4_recvmsg",
  "cgroup_inet4_getpeername",
  "cgroup_inet4_getsockname",
] as const satisfies readonly AttachTypeName[];
const IP6 = [
  "cgroup_inet6_bind",
  "cgroup_inet6_connect",
  "cgroup_udp6_sendmsg",
  "cgroup_udp6_recvmsg",
  "cgroup_inet6_getpeername",
  "cgroup_inet6_getsockname",
] as const satisfies readonly AttachTypeName[];

/** struct bpf_sock_addr (include/uapi/linux/bpf.h). A test compares this with the headers. */
export const SOCK_ADDR_FIELDS = {
  /** Family of the address that the application gave. */
  user_family: { offset: 0, bytes: 4, stable: true },
  user_ip4: { offset: 4, bytes: 4, writable: true, be: true, read: "up-to-4", at: IP4 },
  user_ip6: { offset: 8, bytes: 4, count: 4, writable: true, be: true, read: "up-to-4-or-8", write: "4-or-8", at: IP6 },
  /** Network byte order in the lower 16 bits. */
  user_port: { offset: 24, bytes: 4, writable: true, be: true, read: "up-to-4" },
  family: { offset: 28, bytes: 4, stable: true },
  type: { offset: 32, bytes: 4, stable: true },
  protocol: { offset: 36, bytes: 4, stable: true },
  msg_src_ip4: { offset: 40, bytes: 4, writable: true, be: true, read: "up-to-4", at: ["cgroup_udp4_sendmsg"] },
  msg_src_ip6: {
    offset: 44,
    bytes: 4,
    count: 4,
    writable: true,
    be: true,
    read: "up-to-4-or-8",
    write: "4-or-8",
    at: ["cgroup_udp6_sendmsg"],
  },
  sk: { offset: 64, bytes: 8, pointer: "socket", stable: true },
} as const satisfies Record<string, ContextField>;
export type SockAddrField = keyof typeof SOCK_ADDR_FIELDS;

const BINDS = attachNumbers("cgroup_inet4_bind", "cgroup_inet6_bind");
const CONNECTS = attachNumbers("cgroup_inet4_connect", "cgroup_inet6_connect");
/** The address is an answer to the application: there is nothing to refuse. */
const ANSWERS = attachNumbers(
  "cgroup_udp4_recvmsg",
  "cgroup_udp6_recvmsg",
  "cgroup_inet4_getpeername",
  "cgroup_inet6_getpeername",
  "cgroup_inet4_getsockname",
  "cgroup_inet6_getsockname",
  "cgroup_unix_recvmsg",
  "cgroup_unix_getpeername",
  "cgroup_unix_getsockname",
);

// prettier-ignore
const HELPERS = [
  "perf_event_output", "get_socket_cookie", "setsockopt", "getsockopt", "get_local_storage", "sk_lookup_tcp",
  "sk_lookup_udp", "sk_release", "skc_lookup_tcp", "sk_storage_get", "sk_storage_delete", "get_netns_cookie",
  "ktime_get_coarse_ns", ...SOCKET_CASTS,
] as const satisfies readonly HelperName[];

export const sockAddress = {
  number: 18,
  context: "bpf_sock_addr",
  attaches: "cgroup",
  sections: {
    "cgroup/bind4": { attach: "cgroup_inet4_bind" },
    "cgroup/bind6": { attach: "cgroup_inet6_bind" },
    "cgroup/connect4": { attach: "cgroup_inet4_connect" },
    "cgroup/connect6": { attach: "cgroup_inet6_connect" },
    "cgroup/sendmsg4": { attach: "cgroup_udp4_sendmsg" },
    "cgroup/sendmsg6": { attach: "cgroup_udp6_sendmsg" },
    "cgroup/recvmsg4": { attach: "cgroup_udp4_recvmsg" },
    "cgroup/recvmsg6": { attach: "cgroup_udp6_recvmsg" },
    "cgroup/getpeername4": { attach: "cgroup_inet4_getpeername" },
    "cgroup/getpeername6": { attach: "cgroup_inet6_getpeername" },
    "cgroup/getsockname4": { attach: "cgroup_inet4_getsockname" },
    "cgroup/getsockname6": { attach: "cgroup_inet6_getsockname" },
  },
  needs: "connect-hooks",
  hooks: {
    connect4: { section: "cgroup/connect4", suffix: "4", bpftool: "connect4" },
    connect6: { section: "cgroup/connect6", suffix: "6", bpftool: "connect6" },
  },
  fields: SOCK_ADDR_FIELDS,
  layout: layoutOf(72, SOCK_ADDR_FIELDS),
  returns: (attach) => (BINDS.has(attach) ? [0, 3] : ANSWERS.has(attach) ? [1, 1] : [0, 1]),
  helpers: (attach) => [
    ...HELPERS,
    ...(CONNECTS.has(attach) ? (["bind"] as const) : []),
    ...(ANSWERS.has(attach) ? [] : RETURN_VALUE),
  ],
} as const satisfies CompiledKind;
