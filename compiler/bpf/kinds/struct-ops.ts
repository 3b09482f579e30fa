/**
 * struct_ops: functions that the kernel calls through a struct of function pointers ("struct tcp_congestion_ops"). A program's context is the
 * list of the function's arguments, eight bytes each.
 */
import type { HelperName } from "../helpers.ts";
import { congestionOps } from "./congestion-ops.ts";
import type { Hook, StructOpsKind } from "./kind.ts";
import type { OpMember, OpsStruct, WritablePlaces } from "./ops-struct.ts";
import { schedulerOps } from "./scheduler-ops.ts";

export type { OpArgument, OpMember, OpsStruct, WritablePlaces } from "./ops-struct.ts";

/** The structs whose functions are compiled, by the kernel's name. Every layer that must know one has a table with a row for each. */
export const OPS_STRUCTS = {
  tcp_congestion_ops: congestionOps,
  mptcp_sched_ops: schedulerOps,
} as const satisfies Record<string, OpsStruct>;
export type OpsStructName = keyof typeof OPS_STRUCTS;
export const isOpsStruct = (name: string): name is OpsStructName => Object.hasOwn(OPS_STRUCTS, name);
/** A struct's row as the general type; undefined for one that is not known here. */
export const opsStruct = (name: string): OpsStruct | undefined => (isOpsStruct(name) ? OPS_STRUCTS[name] : undefined);

/** What the kernel calls by this name; undefined where it is not known here. */
export const opMember = (struct: string, member: string): OpMember | undefined =>
  Object.values(opsStruct(struct)?.members ?? {}).find((one) => one.member === member);

/** The program that is a member of a struct. */
export const memberHook = ({ member }: OpMember): Hook => ({
  section: `struct_ops/${member}`,
  suffix: `_${member}`,
  bpftool: "struct_ops",
});

/** Where programs that are functions of these structs may store into one of the kernel's; undefined: nowhere. */
export function writablePlaces(ops: readonly string[], struct: string): WritablePlaces | undefined {
  const found = ops.flatMap((name) => {
    const writes: Readonly<Record<string, WritablePlaces>> = opsStruct(name)?.writes ?? {};
    return Object.hasOwn(writes, struct) ? [writes[struct]!] : [];
  });
  if (found.length === 0) return undefined;
  return { members: found.flatMap(({ members }) => members), anywhere: found.flatMap(({ anywhere = [] }) => anywhere) };
}

const HELPERS: readonly HelperName[] = [
  ...new Set(Object.values<OpsStruct>(OPS_STRUCTS).flatMap(({ helpers }) => helpers)),
];
/** Whether a function of a struct must not call a helper that others of this kind may. */
export const isForbidden = (struct: string, { forbids = [] }: OpMember, helper: HelperName): boolean =>
  forbids.includes(helper) || (HELPERS.includes(helper) && opsStruct(struct)?.helpers.includes(helper) === false);

export const structOps = {
  number: 27,
  attaches: "struct_ops",
  sections: { struct_ops: { prefix: true }, "struct_ops.s": { prefix: true } },
  structs: OPS_STRUCTS,
  // The arguments differ from member to member.
  fields: {},
  helpers: HELPERS,
  // Linux 5.15: until then for no function of a struct.
  later: { setsockopt: "5.15", getsockopt: "5.15" },
} as const satisfies StructOpsKind;
