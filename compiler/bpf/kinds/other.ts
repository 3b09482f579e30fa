/** Kinds of which little more than the name is known here. */
import { SOCKET_CASTS } from "./helper-groups.ts";
import type { Kind } from "./kind.ts";

export const unspec = { number: 0, sections: {} } as const satisfies Kind;
export const lircMode2 = {
  number: 20,
  sections: { lirc_mode2: { attach: "lirc_mode2" } },
} as const satisfies Kind;
export const ext = { number: 28, sections: { freplace: { prefix: true } } } as const satisfies Kind;
export const syscall = {
  number: 31,
  sections: { syscall: {} },
  layout: {
    bytes: 65535,
    ranges: [{ name: "(whatever the caller passes)", start: 0, end: 65535, read: "up-to-8", write: "up-to-8" }],
  },
  // prettier-ignore
  helpers: [
    "probe_read", "perf_event_output", "get_stackid", "probe_read_str", "get_socket_cookie", "get_stack",
    "sk_storage_get", "sk_storage_delete", "skb_output", "xdp_output", "d_path", "sock_from_file", "sys_bpf",
    "btf_find_by_name_kind", "sys_close", "get_func_ip", "kallsyms_lookup_name", "xdp_get_buff_len", ...SOCKET_CASTS,
  ],
} as const satisfies Kind;
export const netfilter = {
  number: 32,
  context: "bpf_nf_ctx",
  sections: { netfilter: { attach: "netfilter" } },
  returns: [0, 1],
  helpers: [],
} as const satisfies Kind;
