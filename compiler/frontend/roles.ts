/** What the kernel hands to handlers, by the kind of program that it comes from. It is never stored. */
import type { CgroupKindName, COMPILED, KindName } from "../bpf/kinds/index.ts";
import type { SeenStruct } from "../bpf/tcp-sock-members.ts";
import type { Pointer } from "../ir/types.ts";

/** Kinds whose handlers are programs of their own: each is given a context of the role that is called as the handler. */
export type HookKind = Exclude<CgroupKindName, "sock_ops">;
export type HookName = { [K in HookKind]: keyof (typeof COMPILED)[K]["hooks"] }[HookKind];

interface RoleRow {
  /** Its type in the declarations. */
  readonly name: string;
  /** Whose context it is a view of. */
  readonly kind: KindName;
  /** The kernel's struct that it is a view of, reached by a pointer of its own; absent: it is the context itself. */
  readonly struct?: SeenStruct;
  /** That pointer was followed to, and is not vouched for: it may be looked through, and is not given to the kernel's functions. */
  readonly followed?: true;
  /** The family of the addresses that its calls take, where that is the hook's. */
  readonly family?: 4 | 6;
  /** Stands for a socket: storage hangs on it. */
  readonly socket?: true;
  /** Roles that do where this one is expected, besides itself: those whose type extends its type. */
  readonly from: readonly string[];
}
export const ROLES = {
  conn: { name: "TcpConn", kind: "sock_ops", socket: true, from: ["option", "session", "ctx"] },
  option: { name: "OptionConn", kind: "sock_ops", socket: true, from: [] },
  planned: { name: "PlannedSegment", kind: "sock_ops", from: ["leaving"] },
  leaving: { name: "LeavingSegment", kind: "sock_ops", from: [] },
  arriving: { name: "ArrivingSegment", kind: "sock_ops", from: [] },
  session: { name: "MptcpSession", kind: "sock_ops", socket: true, from: ["ctx"] },
  remote: { name: "RemoteAddress", kind: "sock_ops", from: [] },
  local: { name: "LocalAddress", kind: "sock_ops", from: [] },
  ctx: { name: "SockOpsCtx", kind: "sock_ops", socket: true, from: [] },
  connect: { name: "ConnectCtx", kind: "cgroup_sock_addr", socket: true, from: ["connect4", "connect6"] },
  connect4: { name: "Connect4Ctx", kind: "cgroup_sock_addr", family: 4, socket: true, from: [] },
  connect6: { name: "Connect6Ctx", kind: "cgroup_sock_addr", family: 6, socket: true, from: [] },
  sockopt: { name: "SockOptCtx", kind: "cgroup_sockopt", socket: true, from: ["setsockopt", "getsockopt"] },
  setsockopt: { name: "SetSockOptCtx", kind: "cgroup_sockopt", socket: true, from: [] },
  getsockopt: { name: "GetSockOptCtx", kind: "cgroup_sockopt", socket: true, from: [] },
  tcpSock: { name: "TcpSock", kind: "struct_ops", struct: "tcp_sock", socket: true, from: [] },
  ackSample: { name: "AckSample", kind: "struct_ops", struct: "ack_sample", from: [] },
  rateSample: { name: "RateSample", kind: "struct_ops", struct: "rate_sample", from: [] },
  mptcpSock: { name: "MptcpSock", kind: "struct_ops", struct: "mptcp_sock", socket: true, from: [] },
  subflow: { name: "MptcpSubflow", kind: "struct_ops", struct: "mptcp_subflow_context", from: [] },
  subflowTcp: { name: "SubflowTcp", kind: "struct_ops", struct: "tcp_sock", followed: true, from: [] },
} as const satisfies Readonly<Record<string, RoleRow>> & Readonly<Record<HookName, RoleRow>>;
export type Role = keyof typeof ROLES;
/** Roles that are views of the kernel's structs. */
export type StructRole = { [R in Role]: (typeof ROLES)[R] extends { struct: SeenStruct } ? R : never }[Role];

export const roleRow = (role: Role): RoleRow => ROLES[role];
/** The role of a type in the declarations; undefined for a name that is none's. */
export const roleNamed = (name: string): Role | undefined =>
  (Object.keys(ROLES) as Role[]).find((role) => ROLES[role].name === name);

const OF_STRUCTS: ReadonlyMap<string, StructRole> = new Map(
  Object.entries(ROLES).flatMap(([role, row]): [string, StructRole][] =>
    "struct" in row && !("followed" in row) ? [[row.struct, role as StructRole]] : [],
  ),
);
/** The type of the pointer to a role's struct; undefined for a view of the context. */
export function pointerOf(role: Role): Pointer | undefined {
  const { struct, followed } = roleRow(role);
  return struct && (followed ? `ptr struct(${struct})` : `ptr trusted(${struct})`);
}
/** As what a struct of the kernel's is seen; every one that handlers are given has a role. */
export const roleOfStruct = (struct: (typeof ROLES)[StructRole]["struct"]): StructRole => OF_STRUCTS.get(struct)!;
