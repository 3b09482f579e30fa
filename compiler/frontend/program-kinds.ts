/** The functions of the language that make programs, by the kind of program that they make, or the struct of functions. */
import { COMPILED, type CgroupKindName, type KindName } from "../bpf/kinds/index.ts";
import { isOpsStruct, OPS_STRUCTS, type OpsStructName } from "../bpf/kinds/struct-ops.ts";
import type { Feature } from "../bpf/kernels.ts";

interface ProgramRow {
  /** A handler, for errors. */
  readonly example: string;
}
const LANGUAGE = {
  sock_ops: {
    pathManager: { example: "fullyEstablished(session, isMaster) { … }" },
    tcpOption: { example: "parse(conn, option) { … }" },
    sockOps: { example: "(ctx) => 1" },
  },
  cgroup_sock_addr: { connectHook: { example: "connect4(ctx) { return true; }" } },
  cgroup_sockopt: { sockOptHook: { example: "setsockopt(ctx) { return true; }" } },
  tcp_congestion_ops: { congestionControl: { example: "congAvoid(sk, ack, acked) { … }" } },
  mptcp_sched_ops: { scheduler: { example: "getSend(session) { … }" } },
} as const satisfies Record<CgroupKindName | OpsStructName, Readonly<Record<string, ProgramRow>>>;
type Language = typeof LANGUAGE;
export type ProgramKind = { [K in keyof Language]: keyof Language[K] }[keyof Language];

interface Made {
  readonly kind: KindName;
  /** What a kernel must have. */
  readonly needs: Feature;
}
const madeOf = (of: keyof Language): Made =>
  isOpsStruct(of) ? { kind: "struct_ops", needs: OPS_STRUCTS[of].needs } : { kind: of, needs: COMPILED[of].needs };

export const PROGRAM_KINDS = Object.fromEntries(
  (Object.keys(LANGUAGE) as (keyof Language)[]).flatMap((of) =>
    Object.entries<ProgramRow>(LANGUAGE[of]).map(([name, row]) => [name, { ...row, ...madeOf(of) }]),
  ),
) as unknown as Readonly<Record<ProgramKind, ProgramRow & Made>>;
export const isProgramKind = (name: string): name is ProgramKind => Object.hasOwn(PROGRAM_KINDS, name);
