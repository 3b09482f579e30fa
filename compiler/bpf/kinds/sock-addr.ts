/** cgroup_sock_addr: system calls that name an address (connect, bind, sendmsg, …), before the kernel acts on it. */
import type { ContextLayout, ContextRange } from "./access.ts";
import { attachNumbers } from "./attach-types.ts";
import { RETURN_VALUE, SOCKET_CASTS } from "./helper-groups.ts";
import type { Kind } from "./kind.ts";

const IP4 = attachNumbers(
  "cgroup_inet4_bind",
  "cgroup_inet4_connect",
  "cgroup_udp4_sendmsg",
  "cgroup_udp4_recvmsg",
  "cgroup_inet4_getpeername",
  "cgroup_inet4_getsockname",
);
const IP6 = attachNumbers(
  "cgroup_inet6_bind",
  "cgroup_inet6_connect",
  "cgroup_udp6_sendmsg",
  "cgroup_udp6_recvmsg",
  "cgroup_inet6_getpeername",
  "cgroup_inet6_getsockname",
);
const SOURCE4 = attachNumbers("cgroup_udp4_sendmsg");
const SOURCE6 = attachNumbers("cgroup_udp6_sendmsg");
const BINDS = attachNumbers("cgroup_inet4_bind", "cgroup_inet6_bind");
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

function sockAddr(attach: number): ContextLayout {
  const words = (name: string, start: number, end: number): ContextRange => ({
    name,
    start,
    end,
    read: end - start > 4 ? "up-to-4-or-8" : "up-to-4",
    write: end - start > 4 ? "4-or-8" : 4,
  });
  return {
    bytes: 72,
    ranges: [
      { name: "user_family", start: 0, end: 4, read: 4 },
      ...(IP4.has(attach) ? [words("user_ip4", 4, 8)] : []),
      ...(IP6.has(attach) ? [words("user_ip6", 8, 24)] : []),
      words("user_port", 24, 28),
      { name: "family", start: 28, end: 32, read: 4 },
      { name: "type", start: 32, end: 36, read: 4 },
      { name: "protocol", start: 36, end: 40, read: 4 },
      ...(SOURCE4.has(attach) ? [words("msg_src_ip4", 40, 44)] : []),
      ...(SOURCE6.has(attach) ? [words("msg_src_ip6", 44, 60)] : []),
      { name: "sk", start: 64, end: 72, read: 8, pointer: "socket" },
    ],
  };
}

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
  layout: sockAddr,
  returns: (attach) => (BINDS.has(attach) ? [0, 3] : ANSWERS.has(attach) ? [1, 1] : [0, 1]),
  // prettier-ignore
  helpers: [
    "perf_event_output", "get_socket_cookie", "setsockopt", "getsockopt", "get_local_storage", "sk_lookup_tcp",
    "sk_lookup_udp", "sk_release", "skc_lookup_tcp", "sk_storage_get", "sk_storage_delete", "get_netns_cookie",
    "ktime_get_coarse_ns", ...SOCKET_CASTS, ...RETURN_VALUE,
  ],
} as const satisfies Kind;
