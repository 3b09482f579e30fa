/**
 * How bytes of a context, and of the kernel's socket structures, may be accessed, and what a read gives: the `…_is_valid_access`
 * rules of net/core/filter.c, kernel/bpf/cgroup.c and kernel/trace/bpf_trace.c of Linux 6.18 for a privileged loader, as tables.
 */

import type { Feature } from "../kernels.ts";
import type { Version } from "../verifier-rules.ts";

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
  /** The first version of Linux that has it; absent: all that we know. */
  readonly since?: Version;
  /** What the target must have; absent: nothing. */
  readonly needs?: Feature;
  /** Sign-extending loads are refused. */
  readonly unsignedOnly?: true;
}
export interface ContextLayout {
  readonly bytes: number;
  readonly ranges: readonly ContextRange[];
}

type Row = readonly [name: string, start: number, end: number, read?: AccessRule];
/** A structure whose fields are only read. */
export const layout = (bytes: number, rows: readonly Row[]): ContextLayout => ({
  bytes,
  ranges: rows.map(([name, start, end, read]) => ({ name, start, end, ...(read === undefined ? {} : { read }) })),
});
/** A field of eight bytes that holds a pointer. */
export const pointer = (name: string, start: number, to: ContextPointer): ContextRange => ({
  name,
  start,
  end: start + 8,
  read: 8,
  pointer: to,
});

/** struct bpf_sock, read through a socket pointer. */
export const SOCKET = layout(80, [
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
