/**
 * Which bytes of its context, and of the kernel's socket structures, a program may read and write, and what a read gives:
 * the `…_is_valid_access` rules of net/core/filter.c, kernel/bpf/cgroup.c and kernel/trace/bpf_trace.c of Linux 6.18 for a privileged
 * loader, as tables. struct bpf_sock_ops comes from compiler/bpf/sock-ops.ts.
 */
import { SOCK_OPS_FIELDS, type ContextField } from "./sock-ops.ts";

/** How a field may be accessed. Every access is aligned to its own size besides. */
export type AccessRule =
  /** Exactly 1, 4 or 8 bytes. */
  | 1
  | 4
  | 8
  /** At most 4, 8 or 2 bytes anywhere in the field. */
  | "up-to-4"
  | "up-to-8"
  /** At most 2 bytes, or 4 at its start. */
  | "up-to-2-or-4"
  | "up-to-2"
  /** 2 or 4 bytes. */
  | "2-or-4"
  /** Up to 4 bytes at the field's start, 4 elsewhere. */
  | "up-to-4-at-start"
  /** 8 bytes at the field's start, 4 elsewhere. */
  | "8-at-start-or-4"
  /** Any size that stays inside. */
  | "inside"
  /** 4 or 8 bytes; 8 only at the field's start or second half-word pair. */
  | "4-or-8"
  | "up-to-4-or-8";

/** The pointer that a read gives. */
export type ContextPointer =
  "packet" | "packet-end" | "packet-meta" | "socket" | "socket-or-null" | "sock-common-or-null" | "flow-keys";

export interface ContextRange {
  readonly name: string;
  /** Bytes [start, end) of the structure. */
  readonly start: number;
  readonly end: number;
  readonly read?: AccessRule;
  readonly write?: AccessRule;
  readonly pointer?: ContextPointer;
  /** Sign-extending loads are refused. */
  readonly unsignedOnly?: true;
}
export interface ContextLayout {
  readonly bytes: number;
  readonly ranges: readonly ContextRange[];
}

type Field = readonly [name: string, start: number, end: number, read?: AccessRule];
const layout = (bytes: number, fields: readonly Field[]): ContextLayout => ({
  bytes,
  ranges: fields.map(([name, start, end, read]) => ({ name, start, end, ...(read === undefined ? {} : { read }) })),
});

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
      const pointer = range.name === "sk" ? "sock-common-or-null" : rules.pointers?.[range.name];
      const write: AccessRule = range.name === "cb" ? "inside" : range.name === "tstamp" ? 8 : 4;
      return {
        ...range,
        ...(rules.writable.includes(range.name) ? { write } : {}),
        ...(pointer === undefined ? {} : { pointer }),
        ...(UNSIGNED_ONLY.has(range.name) ? { unsignedOnly: true as const } : {}),
        ...rules.extra?.[range.name],
      };
    });
  return { bytes: SK_BUFF.bytes, ranges };
}

const PACKET = { data: "packet", data_end: "packet-end" } as const;
const LWT = skBuff({
  without: ["tc_classid", ...ADDRESSES, "data_meta", "tstamp", "wire_len", "hwtstamp"],
  writable: ["mark", "priority", "cb"],
  pointers: PACKET,
});
const TRAFFIC_CONTROL = skBuff({
  without: ADDRESSES,
  writable: ["mark", "tc_index", "priority", "tc_classid", "cb", "tstamp", "queue_mapping"],
  pointers: { ...PACKET, data_meta: "packet-meta" },
  extra: { tstamp_type: { read: 1 } },
});

const XDP_FIELDS: readonly ContextRange[] = [
  { name: "data", start: 0, end: 4, read: 4, pointer: "packet", unsignedOnly: true },
  { name: "data_end", start: 4, end: 8, read: 4, pointer: "packet-end", unsignedOnly: true },
  { name: "data_meta", start: 8, end: 12, read: 4, pointer: "packet-meta", unsignedOnly: true },
  { name: "ingress_ifindex", start: 12, end: 16, read: 4 },
  { name: "rx_queue_index", start: 16, end: 20, read: 4 },
];
const XDP_EGRESS: ContextRange = { name: "egress_ifindex", start: 20, end: 24, read: 4 };

/** struct bpf_sock, read through a socket pointer. */
const SOCKET = layout(80, [
  ["bound_dev_if", 0, 4, 4],
  ["family", 4, 8, "up-to-4-at-start"],
  ["type", 8, 12, "up-to-4-at-start"],
  ["protocol", 12, 16, "up-to-4-at-start"],
  ["mark", 16, 20, 4],
  ["priority", 20, 24, 4],
  ["src_ip4", 24, 28, "up-to-4"],
  ["src_ip6", 28, 44, "up-to-4"],
  ["src_port", 44, 48, "up-to-4-at-start"],
  ["dst_port", 48, 50, "up-to-2-or-4"],
  ["dst_ip4", 52, 56, "up-to-4"],
  ["dst_ip6", 56, 72, "up-to-4"],
  ["state", 72, 76, "up-to-4-at-start"],
  ["rx_queue_mapping", 76, 80, "up-to-4-at-start"],
]);
const FULL_SOCKET_ONLY = ["type", "protocol", "mark", "priority"];
/** Structures behind socket pointers; all read-only. */
export const SOCKET_LAYOUTS = {
  socket: SOCKET,
  "sock-common": {
    bytes: SOCKET.bytes,
    ranges: SOCKET.ranges.filter((range) => !FULL_SOCKET_ONLY.includes(range.name)),
  },
  "tcp-sock": layout(112, [
    ["(32-bit fields)", 0, 80, 4],
    ["bytes_received", 80, 88, "8-at-start-or-4"],
    ["bytes_acked", 88, 96, "8-at-start-or-4"],
    ["(32-bit fields)", 96, 112, 4],
  ]),
  "xdp-sock": layout(4, [["queue_id", 0, 4, 4]]),
} as const satisfies Record<string, ContextLayout>;

/** struct bpf_sock_ops; `patched` adds the fields and the longer reply of kernel/README.md. */
export function sockOpsLayout(patched: boolean): ContextLayout {
  const ranges = Object.entries(SOCK_OPS_FIELDS as Readonly<Record<string, ContextField>>)
    .filter(([, field]) => patched || field.offset < 224)
    .flatMap(([name, field]): ContextRange[] => {
      const start = field.offset;
      const end = start + field.bytes * (field.count ?? 1);
      const rule = name === "skb_tcp_flags" ? "up-to-4-at-start" : field.bytes;
      const pointer = field.pointer === undefined ? {} : { pointer: field.pointer };
      const range = { name, start, end, read: rule, ...pointer } satisfies ContextRange;
      if (!field.writable) return [range];
      // Mainline lets a program write `reply`, the first of the union's words, alone.
      if (patched || field.count === undefined) return [{ ...range, write: 4 }];
      return [
        { ...range, end: start + field.bytes, write: 4 },
        { ...range, start: start + field.bytes },
      ];
    });
  return { bytes: patched ? 288 : 224, ranges };
}

const POST_BIND = 12; // BPF_CGROUP_INET4_POST_BIND; 13 is the same for IPv6
const SOCK_CREATE = [2, 34]; // BPF_CGROUP_INET_SOCK_CREATE, BPF_CGROUP_INET_SOCK_RELEASE
function cgroupSocket(attach: number): ContextLayout {
  const hidden: string[] = [];
  if (!SOCK_CREATE.includes(attach)) hidden.push("bound_dev_if", "mark", "priority");
  if (attach !== POST_BIND) hidden.push("src_ip4");
  if (attach !== POST_BIND + 1) hidden.push("src_ip6");
  if (attach !== POST_BIND && attach !== POST_BIND + 1) hidden.push("src_port");
  const writable = ["bound_dev_if", "mark", "priority"];
  return {
    bytes: SOCKET.bytes,
    ranges: SOCKET.ranges
      .filter((range) => !hidden.includes(range.name))
      .map((range) => (writable.includes(range.name) ? { ...range, write: 4 as const } : range)),
  };
}

const SOCK_ADDR = {
  ip4: [8, 10, 14, 19, 29, 31], // bind, connect, sendmsg, recvmsg, getpeername, getsockname
  ip6: [9, 11, 15, 20, 30, 32],
  source4: [14],
  source6: [15],
} as const;
function sockAddr(attach: number): ContextLayout {
  const has = (list: readonly number[]): boolean => list.includes(attach);
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
      ...(has(SOCK_ADDR.ip4) ? [words("user_ip4", 4, 8)] : []),
      ...(has(SOCK_ADDR.ip6) ? [words("user_ip6", 8, 24)] : []),
      words("user_port", 24, 28),
      { name: "family", start: 28, end: 32, read: 4 },
      { name: "type", start: 32, end: 36, read: 4 },
      { name: "protocol", start: 36, end: 40, read: 4 },
      ...(has(SOCK_ADDR.source4) ? [words("msg_src_ip4", 40, 44)] : []),
      ...(has(SOCK_ADDR.source6) ? [words("msg_src_ip6", 44, 60)] : []),
      { name: "sk", start: 64, end: 72, read: 8, pointer: "socket" },
    ],
  };
}

const GETSOCKOPT = 21;
const SETSOCKOPT = 22;
function sockopt(attach: number): ContextLayout {
  const set = attach === SETSOCKOPT ? { write: 4 as const } : {};
  return {
    bytes: 40,
    ranges: [
      { name: "sk", start: 0, end: 8, read: 8, pointer: "socket" },
      { name: "optval", start: 8, end: 16, read: 8, pointer: "packet" },
      { name: "optval_end", start: 16, end: 24, read: 8, pointer: "packet-end" },
      { name: "level", start: 24, end: 28, read: 4, ...set },
      { name: "optname", start: 28, end: 32, read: 4, ...set },
      { name: "optlen", start: 32, end: 36, read: 4, write: 4 },
      ...(attach === GETSOCKOPT ? [{ name: "retval", start: 36, end: 40, read: 4 as const, write: 4 as const }] : []),
    ],
  };
}

const XDP_DEVMAP = 33;
type LayoutOf = ContextLayout | ((attach: number, patched: boolean) => ContextLayout);
const pointer = (name: string, start: number, to: ContextPointer): ContextRange => ({
  name,
  start,
  end: start + 8,
  read: 8,
  pointer: to,
});

/** The context of each program type. Types that are missing are unsupported. */
export const CONTEXTS: Readonly<Partial<Record<string, LayoutOf>>> = {
  socket_filter: skBuff({
    without: ["tc_classid", "data", "data_meta", "data_end", ...ADDRESSES, "tstamp", "wire_len", "hwtstamp"],
    writable: ["cb"],
  }),
  sched_cls: TRAFFIC_CONTROL,
  sched_act: TRAFFIC_CONTROL,
  cgroup_skb: skBuff({
    without: ["tc_classid", "data_meta", "wire_len"],
    writable: ["mark", "priority", "cb", "tstamp"],
    pointers: PACKET,
  }),
  lwt_in: LWT,
  lwt_out: LWT,
  lwt_xmit: LWT,
  lwt_seg6local: LWT,
  sk_skb: skBuff({
    without: ["tc_classid", "data_meta", "tstamp", "wire_len", "hwtstamp", "mark"],
    writable: ["tc_index", "priority"],
    pointers: PACKET,
  }),
  xdp: (attach) => ({ bytes: 24, ranges: attach === XDP_DEVMAP ? [...XDP_FIELDS, XDP_EGRESS] : XDP_FIELDS }),
  sock_ops: (_attach, patched) => sockOpsLayout(patched),
  cgroup_sock: cgroupSocket,
  cgroup_sock_addr: sockAddr,
  cgroup_sockopt: sockopt,
  cgroup_device: {
    bytes: 12,
    ranges: [
      { name: "access_type", start: 0, end: 4, read: "up-to-4" },
      { name: "major", start: 4, end: 8, read: 4 },
      { name: "minor", start: 8, end: 12, read: 4 },
    ],
  },
  cgroup_sysctl: {
    bytes: 8,
    ranges: [
      { name: "write", start: 0, end: 4, read: "up-to-4" },
      { name: "file_pos", start: 4, end: 8, read: "up-to-4", write: 4 },
    ],
  },
  sk_msg: {
    bytes: 80,
    ranges: [
      pointer("data", 0, "packet"),
      pointer("data_end", 8, "packet-end"),
      { name: "(32-bit fields)", start: 16, end: 72, read: 4 },
      pointer("sk", 72, "socket"),
    ],
  },
  sk_reuseport: {
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
  sk_lookup: {
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
  flow_dissector: {
    bytes: 192,
    ranges: [
      { name: "data", start: 76, end: 80, read: 4, pointer: "packet", unsignedOnly: true },
      { name: "data_end", start: 80, end: 84, read: 4, pointer: "packet-end", unsignedOnly: true },
      pointer("flow_keys", 144, "flow-keys"),
    ],
  },
  kprobe: { bytes: 168, ranges: [{ name: "pt_regs", start: 0, end: 168, read: "inside" }] },
  tracepoint: { bytes: 8192, ranges: [{ name: "(record)", start: 8, end: 8192, read: "up-to-8" }] },
  raw_tracepoint: { bytes: 96, ranges: [{ name: "args", start: 0, end: 96, read: "up-to-8" }] },
  perf_event: {
    bytes: 184,
    ranges: [
      { name: "regs", start: 0, end: 168, read: 8 },
      { name: "sample_period", start: 168, end: 176, read: "up-to-8" },
      { name: "addr", start: 176, end: 184, read: "up-to-8" },
    ],
  },
};

const RULES: Readonly<Record<AccessRule, (offset: number, size: number, range: ContextRange) => boolean>> = {
  1: (_, size) => size === 1,
  4: (_, size) => size === 4,
  8: (_, size) => size === 8,
  "up-to-2": (_, size) => size <= 2,
  "2-or-4": (_, size) => size === 2 || size === 4,
  "up-to-4": (_, size) => size <= 4,
  "up-to-8": (_, size) => size <= 8,
  "up-to-2-or-4": (_, size) => size <= 2 || size === 4,
  "up-to-4-at-start": (offset, size, range) => size === 4 || (offset === range.start && size < 4),
  "8-at-start-or-4": (offset, size, range) => (offset === range.start ? size === 8 : size === 4),
  inside: (offset, size, range) => offset + size <= range.end,
  "4-or-8": (offset, size, range) => size === 4 || (size === 8 && offset + size <= range.end),
  "up-to-4-or-8": (offset, size, range) => size <= 4 || (size === 8 && offset + size <= range.end),
};

/** The range that allows an access of `size` bytes at `offset`, or undefined if none does. */
export function contextAccess(
  layout: ContextLayout,
  offset: number,
  size: number,
  access: "read" | "write",
  signExtends: boolean,
): ContextRange | undefined {
  if (offset < 0 || offset >= layout.bytes || offset % size !== 0) return undefined;
  const range = layout.ranges.find((candidate) => offset >= candidate.start && offset < candidate.end);
  const rule = range?.[access];
  if (range === undefined || rule === undefined || (signExtends && range.unsignedOnly)) return undefined;
  return RULES[rule](offset, size, range) ? range : undefined;
}

/** The context's layout for a program type and expected attach type; undefined where unsupported. */
export function contextLayout(type: string, attach: number, patched: boolean): ContextLayout | undefined {
  const found = CONTEXTS[type];
  return typeof found === "function" ? found(attach, patched) : found;
}

/** What r0 may be at exit, inclusive; undefined: anything. Numbers of attach types are those of enum bpf_attach_type. */
export function returnRange(type: string, attach: number): readonly [number, number] | undefined {
  switch (type) {
    case "cgroup_sock_addr":
      if (attach === 8 || attach === 9) return [0, 3];
      return [19, 20, 29, 30, 31, 32, 51, 52, 53].includes(attach) ? [1, 1] : [0, 1];
    case "cgroup_skb":
      return attach === 1 ? [0, 3] : [0, 1];
    case "cgroup_sock":
    case "sock_ops":
    case "cgroup_device":
    case "cgroup_sysctl":
    case "cgroup_sockopt":
    case "sk_lookup":
    case "netfilter":
      return [0, 1];
    default:
      return undefined;
  }
}

/** Whether programs of the type may read, and write, packet bytes through pointers. */
export function packetAccess(type: string): { readonly read: boolean; readonly write: boolean } {
  const readOnly = ["lwt_in", "lwt_out", "lwt_seg6local", "sk_reuseport", "flow_dissector", "cgroup_skb"];
  const both = ["sched_cls", "sched_act", "xdp", "lwt_xmit", "sk_skb", "sk_msg", "cgroup_sockopt"];
  return { read: readOnly.includes(type) || both.includes(type), write: both.includes(type) };
}

/** Whether `ld_abs` and `ld_ind` work. */
export const hasPacketLoads = (type: string): boolean => ["socket_filter", "sched_cls", "sched_act"].includes(type);
