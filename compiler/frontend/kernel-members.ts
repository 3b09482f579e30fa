/** Members of the kernel's structs, as properties of what handlers are given: loads and stores that name the member (CO-RE). */
import type { ts } from "ts-morph";
import {
  extractedTypes,
  findMember,
  kernelTypes,
  sizeOfKernelType,
  type FoundMember,
  type KernelType,
} from "../bpf/kernel-types.ts";
import { PRIVATE_AREA } from "../bpf/kinds/congestion-ops.ts";
import { OPS_STRUCTS, writablePlaces } from "../bpf/kinds/struct-ops.ts";
import { SEEN_STRUCTS, type SeenMember, type SeenStruct } from "../bpf/tcp-sock-members.ts";
import type { AccessBytes } from "../bpf/opcodes.ts";
import type { Value } from "../ir/ir.ts";
import { alignOf } from "../layout.ts";
import { at, fail, type Lowering } from "./lowering.ts";
import { ERROR, type Context, type Operand, type Scalar } from "./operand.ts";
import { ROLES, roleRow, type StructRole } from "./roles.ts";
import { BE16, BE32, BOOL, I32, I64, U16, U32, U64, U8, type ScalarType } from "./types.ts";
import { convert, TCP_STATE } from "./values.ts";

/** A property that is a member of the struct of the role. */
export interface KernelProperty {
  readonly member: SeenMember;
  readonly write?: true;
}
/** The properties of a role that is a struct of the kernel's. */
export function kernelProperties(role: StructRole): Readonly<Record<string, KernelProperty>> {
  const { struct, followed }: { struct: SeenStruct; followed?: true } = ROLES[role];
  const writable = followed ? [] : (writablePlaces(Object.keys(OPS_STRUCTS), struct)?.members ?? []);
  return Object.fromEntries(
    Object.entries<SeenMember>(SEEN_STRUCTS[struct]).map(([name, member]) => [
      name,
      { member, ...(writable.includes(member.member) ? { write: true } : {}) },
    ]),
  );
}

function scalarType({ as }: SeenMember, { type, bits }: FoundMember): ScalarType | undefined {
  if (as === "tcp-state") return TCP_STATE;
  if (as !== undefined) return as === "be16" ? BE16 : BE32;
  return bits === 1 ? BOOL : ofKernel(type);
}
function ofKernel(type: KernelType): ScalarType | undefined {
  if (type.kind !== "int") return undefined;
  if (type.bool) return BOOL;
  if (type.bytes === 8) return type.signed ? I64 : U64;
  if (type.bytes === 4) return type.signed ? I32 : U32;
  return type.bytes === 2 ? U16 : U8;
}

interface Located {
  readonly found: FoundMember;
  readonly type: ScalarType;
  readonly bytes: AccessBytes;
  /** Of the word that holds it, in bytes from the start of the struct. */
  readonly offset: number;
}
/** Where a member lies in the kernel's types that the program is compiled with; reports one that they do not have. */
function locate(f: Lowering, context: Context, seen: SeenMember, node: ts.Node): Located | undefined {
  const struct = roleRow(context.role).struct!;
  const { types } = f.state.kernel;
  const found = findMember(types, struct, seen.member);
  const type = found && scalarType(seen, found);
  const lacks = (release: string) => void fail(f, "kernel-member", node, { member: seen.member, struct, release });
  if (!found || !type) return lacks(types.release);
  const bytes = sizeOfKernelType(types, found.type) as AccessBytes;
  // Where the types are the repository's, the oldest kernel's are there as well.
  const oldest = types === kernelTypes() ? extractedTypes(f.state.kernel.oldest) : types;
  const older = findMember(oldest, struct, seen.member);
  if (!older || sizeOfKernelType(oldest, older.type) !== bytes) return lacks(oldest.release);
  return { found, type, bytes, offset: Math.floor(found.offset / 8 / bytes) * bytes };
}

function addressOf(f: Lowering, context: Context, { found, offset }: Located, member: string, node: ts.Node): Value {
  const span = at(f, node);
  const by = f.b.core({ kind: "byte-offset", struct: found.root, member }, BigInt(offset), span);
  return f.b.ptradd(context.ctx, by, span);
}

/** The present value of a member. */
export function loadMember(f: Lowering, context: Context, seen: SeenMember, node: ts.Node, name: string): Operand {
  const located = locate(f, context, seen, node);
  if (!located) return ERROR;
  const { found, type, bytes, offset } = located;
  const span = at(f, node);
  const address = addressOf(f, context, located, seen.member, node);
  const value = f.b.load(bytes === 8 ? "w64" : "w32", bytes, address, 0, span, name);
  if (found.bits !== undefined) {
    const fact = { struct: found.root, member: seen.member };
    const up = 64 - (found.offset + found.bits - offset * 8);
    const left = f.b.core({ kind: "shift-left", ...fact }, BigInt(up), span);
    const right = f.b.core({ kind: "shift-right", ...fact }, BigInt(64 - found.bits), span);
    const moved = f.b.binary("shl", f.b.unary("zext", value, span), left, span);
    const alone = f.b.unary("trunc", f.b.binary("lshr", moved, right, span), span);
    return { kind: "scalar", type, value: alone };
  }
  if (seen.eighths) {
    const whole = f.b.binary("lshr", value, f.b.constant("w32", 3n, span), span);
    return { kind: "scalar", type, value: whole, range: { min: 0n, max: 0x1fff_ffffn } };
  }
  return { kind: "scalar", type, value };
}

/** `sk.sndCwnd = value`. */
export function storeMember(
  f: Lowering,
  context: Context,
  seen: SeenMember,
  operand: Operand,
  node: ts.Node,
): Scalar | Extract<Operand, { kind: "error" }> {
  const located = locate(f, context, seen, node);
  const value = located && convert(f, operand, located.type, node);
  if (!located || !value) return { kind: "error" };
  f.b.store(located.bytes, addressOf(f, context, located, seen.member, node), 0, value, at(f, node));
  return { kind: "scalar", type: located.type, value };
}

/** The type that an assignment to a member wants, as far as the kernel's types tell. */
export function memberType(f: Lowering, context: Context, seen: SeenMember): ScalarType | undefined {
  const found = findMember(f.state.kernel.types, roleRow(context.role).struct!, seen.member);
  return found && scalarType(seen, found);
}

/** `sk.state`: what the congestion control keeps in the connection's private area. */
export function privateState(f: Lowering, context: Context, node: ts.PropertyAccessExpression): Operand {
  if (!context.state) return fail(f, "no-state", node.name, undefined);
  const span = at(f, node);
  const struct = roleRow(context.role).struct!;
  const area = findMember(f.state.kernel.types, struct, PRIVATE_AREA);
  const offset = BigInt((area?.offset ?? 0) / 8);
  const by = f.b.core({ kind: "byte-offset", struct, member: PRIVATE_AREA }, offset, span);
  const base = f.b.ptradd(context.ctx, by, span);
  return {
    kind: "place",
    type: context.state,
    at: { base, offset: 0, align: Math.min(8, alignOf(context.state)), root: { kind: "state" }, from: 0 },
  };
}
/** Bytes of the private area. */
export function privateBytes(f: Lowering): number {
  const { types } = f.state.kernel;
  const area = findMember(types, "tcp_sock", PRIVATE_AREA);
  return area ? sizeOfKernelType(types, area.type) : 0;
}
