/** cgroup_sockopt: an application's getsockopt and setsockopt. */
import type { HelperName } from "../helpers.ts";
import { ATTACH_TYPES } from "./attach-types.ts";
import { layoutOf } from "./fields.ts";
import { RETURN_VALUE } from "./helper-groups.ts";
import type { CompiledKind, ContextField } from "./kind.ts";

const SET = ["cgroup_setsockopt"] as const;
const GET = ["cgroup_getsockopt"] as const;
/** struct bpf_sockopt (include/uapi/linux/bpf.h). A test compares this with the headers. */
export const SOCKOPT_FIELDS = {
  sk: { offset: 0, bytes: 8, pointer: "socket", stable: true },
  optval: { offset: 8, bytes: 8, pointer: "packet", stable: true },
  optval_end: { offset: 16, bytes: 8, pointer: "packet-end", stable: true },
  level: { offset: 24, bytes: 4, writable: true, writableAt: SET },
  optname: { offset: 28, bytes: 4, writable: true, writableAt: SET },
  optlen: { offset: 32, bytes: 4, writable: true },
  /** What the kernel's own getsockopt gave: 0, or a negative errno. */
  retval: { offset: 36, bytes: 4, writable: true, at: GET },
} as const satisfies Record<string, ContextField>;
export type SockoptField = keyof typeof SOCKOPT_FIELDS;

// prettier-ignore
const HELPERS = [
  "perf_event_output", "get_local_storage", "tcp_sock", "sk_storage_get", "sk_storage_delete", "get_netns_cookie",
  ...RETURN_VALUE,
] as const satisfies readonly HelperName[];

export const socketOptions = {
  number: 25,
  context: "bpf_sockopt",
  attaches: "cgroup",
  sections: {
    "cgroup/getsockopt": { attach: "cgroup_getsockopt" },
    "cgroup/setsockopt": { attach: "cgroup_setsockopt" },
  },
  needs: "sockopt-hooks",
  hooks: {
    getsockopt: { section: "cgroup/getsockopt", suffix: "_get", bpftool: "getsockopt" },
    setsockopt: { section: "cgroup/setsockopt", suffix: "_set", bpftool: "setsockopt" },
  },
  fields: SOCKOPT_FIELDS,
  layout: layoutOf(40, SOCKOPT_FIELDS),
  returns: [0, 1],
  packet: "read-write",
  packetForHelpers: true,
  helpers: (attach) => (attach === ATTACH_TYPES.cgroup_setsockopt ? [...HELPERS, "setsockopt", "getsockopt"] : HELPERS),
  later: {
    get_netns_cookie: "5.15",
    setsockopt: "5.15",
    getsockopt: "5.15",
    // Of the releases whose source was read the first that has them.
    get_current_pid_tgid: "6.1",
    get_current_comm: "6.1",
    get_current_ancestor_cgroup_id: "6.1",
    get_cgroup_classid: "6.1",
  },
  // The socket itself, which is locked already, instead of the context.
  signatures: {
    setsockopt: ["btf-sock", "any", "any", "mem", "size"],
    getsockopt: ["btf-sock", "any", "any", "mem-out", "size"],
  },
} as const satisfies CompiledKind;
