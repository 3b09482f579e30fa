/** The functions of the language that make programs, by the kind of program that they make. */
import type { KindName } from "../bpf/kinds/index.ts";

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
  struct_ops: { congestionControl: { example: "congAvoid(sk, ack, acked) { … }" } },
  cgroup_sockopt: { sockOptHook: { example: "setsockopt(ctx) { return true; }" } },
} as const satisfies Record<KindName, Readonly<Record<string, ProgramRow>>>;
type Language = typeof LANGUAGE;
export type ProgramKind = { [K in KindName]: keyof Language[K] }[KindName];

export const PROGRAM_KINDS = Object.fromEntries(
  Object.entries(LANGUAGE).flatMap(([kind, functions]) =>
    Object.entries(functions).map(([name, row]) => [name, { ...row, kind }]),
  ),
) as unknown as Readonly<Record<ProgramKind, ProgramRow & { readonly kind: KindName }>>;
export const isProgramKind = (name: string): name is ProgramKind => Object.hasOwn(PROGRAM_KINDS, name);
