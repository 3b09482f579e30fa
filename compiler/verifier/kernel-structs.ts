/**
 * Pointers to the kernel's own structs: what a load through one gives, and where programs may store (btf_struct_walk of kernel/bpf/btf.c,
 * bpf_tcp_ca_btf_struct_access of net/ipv4/bpf_tcp_ca.c). What these types do not tell for certain is not judged.
 */
import {
  beginsWith,
  findMember,
  kernelTypes,
  sizeOfKernelType,
  type KernelStruct,
  type KernelTypes,
} from "../bpf/kernel-types.ts";
import { opMember, writablePlaces, type OpMember, type WritablePlaces } from "../bpf/kinds/struct-ops.ts";
import { trustOf } from "../bpf/kernel-calls.ts";
import type { KernelFunction, WholeKernel } from "../bpf/whole-kernel.ts";
import { inRcu, newId, type Env } from "./env.ts";
import { anyOfBytes, isKnown } from "./scalar.ts";
import { pointer, scalar, type Reg } from "./state.ts";
import * as tnum from "./tnum.ts";
import { reject, unsupported } from "./verdict.ts";

/** What struct_ops programs are entered with and give back. */
export interface Entry {
  /** The struct that the program is a function of. */
  readonly ops: string;
  readonly member: OpMember;
}
/** Of a program that is a function of a struct; undefined for one that is not known. */
export function entryOf({ struct, member }: { readonly struct: string; readonly member: string }): Entry | undefined {
  const found = opMember(struct, member);
  return found && { ops: struct, member: found };
}
const ANY = scalar(anyOfBytes(8));

/** The kernel's structs that a verification goes by. */
export const typesOf = ({ program }: Env): KernelTypes => program.types ?? kernelTypes();

/** An argument out of the context: a pointer that is vouched for, or a number. */
export function argumentAt({ member }: Entry, off: number, size: number, base: number): Reg {
  const name = member.member;
  if (off < 0 || off % 8 !== 0) return reject("ctx-access", `func '${name}' offset ${off} is not multiple of 8`, base);
  const arg = member.args[off / 8];
  if (!arg) return reject("ctx-access", `func '${name}' doesn't have ${off / 8 + 1}-th argument`, base);
  if (!("struct" in arg)) return ANY;
  if (size !== 8) return reject("ctx-access", `invalid bpf_context access off=${off} size=${size}`, base);
  return pointer("trusted_ptr_", { struct: arg.struct });
}

/** An argument of a tracepoint with types (btf_ctx_access). */
export function tracedArgument({ params }: KernelFunction, off: number, size: number, base: number): Reg {
  if (off < 0 || off % 8 !== 0) return reject("ctx-access", `offset ${off} is not multiple of 8`, base);
  const type = params[off / 8]?.type;
  if (!type) return reject("ctx-access", `there is no ${off / 8 + 1}-th argument`, base);
  if (type.kind === "number" || type.kind === "memory") return ANY;
  if (type.kind !== "struct") return unsupported("an argument of a tracepoint that is no number and no struct");
  if (size !== 8) return reject("ctx-access", `invalid bpf_context access off=${off} size=${size}`, base);
  return pointer("trusted_ptr_", { struct: type.name });
}

/** A load or store through a pointer to a struct. */
export function structAccess(
  env: Env,
  types: KernelTypes,
  reg: Reg,
  off: number,
  access: { readonly base: number; readonly size: number; readonly kind: "read" | "write" },
): Reg | undefined {
  const { program } = env;
  const { base, size, kind } = access;
  const whole = program.kernel;
  const struct = reg.struct === undefined ? undefined : types.structs.get(reg.struct);
  const name = struct?.name ?? (whole ? reg.struct : undefined);
  if (name === undefined) return unsupported("reads of kernel structures by BTF");
  if (!isKnown(reg.value) || reg.value.smin !== 0n)
    return reject(
      "struct-offset",
      `R${base} is ptr_${name} invalid variable offset: off=${off}, var_off=${tnum.show(reg.value.bits)}`,
      base,
    );
  if (off < 0) return reject("other", `R${base} is ptr_${name} invalid negative access: off=${off}`, base);
  if (kind === "read" && whole) return walked(env, whole, reg, off, size, base);
  const places = writablePlaces(program.entry ? [program.entry.ops] : [], name);
  if (kind === "write" && !places) reject("other", "only read is supported", base);
  if (!struct || !places)
    return struct ? readable(types, struct, off, size, base) : unsupported("writes to kernel structures");
  if (kind === "read") return readable(types, struct, off, size, base);
  writable(types, struct, places, { off, size, base });
  return undefined;
}

/** What a load gives by the kernel's own types, and how far it may be trusted (check_ptr_to_btf_access). */
function walked(env: Env, kernel: WholeKernel, reg: Reg, off: number, size: number, base: number): Reg {
  const untrusted = reg.type === "untrusted_ptr_";
  const met = kernel.walk(reg.struct!, off, size);
  if (met.kind === "wrong") return reject("other", met.message, base);
  if (met.kind === "number") return ANY;
  const to = { struct: met.to };
  if (met.mark === "user" || met.mark === "percpu")
    return unsupported(`${met.member} of ${met.of}, which is __${met.mark}`);
  if (untrusted || met.union) return pointer("untrusted_ptr_", to);
  const trusted = reg.type === "trusted_ptr_" || reg.type === "rcu_ptr_" || reg.ref !== 0;
  if (!trusted) return pointer("ptr_", to);
  const trust = trustOf(reg.struct!, met.member);
  const maybe = (): Partial<Reg> => ({ ...to, nullable: true, id: newId(env) });
  if (trust === "trusted") return pointer("trusted_ptr_", to);
  if (trust === "trusted-or-null") return pointer("trusted_ptr_", maybe());
  // A program that may sleep is in no RCU section unless it says so.
  if (!inRcu(env)) return pointer("untrusted_ptr_", to);
  if (trust === "rcu") return pointer("rcu_ptr_", to);
  if (trust === "rcu-or-null" || met.mark === "rcu") return pointer("rcu_ptr_", maybe());
  return pointer("ptr_", to);
}

/** The first member in which the bytes lie decides, as for the kernel. */
function readable(types: KernelTypes, struct: KernelStruct, off: number, size: number, base: number): Reg {
  const where = `off ${off} size ${size}`;
  if (off + size > struct.bytes) reject("other", `access beyond struct ${struct.name} at ${where}`, base);
  for (const member of struct.members) {
    const start = Math.floor(member.offset / 8);
    if (member.bits !== undefined) {
      const end = Math.ceil((member.offset + member.bits) / 8);
      if (off <= start && end <= off + size) return ANY;
      continue;
    }
    const bytes = sizeOfKernelType(types, member.type);
    if (off < start || off >= start + bytes) continue;
    const inner = member.type.kind === "struct" ? types.structs.get(member.type.name) : undefined;
    if (inner) return readable(types, inner, off - start, size, base);
    if (member.type.kind === "pointer" && (off !== start || size !== 8))
      reject(
        "other",
        `cannot access ptr member ${member.name} with moff ${start} in struct ${struct.name} with ${where}`,
        base,
      );
    // Followed with care: what it leads to may be gone, and reads as zeros.
    if (member.type.kind === "pointer" && member.type.to !== undefined)
      return pointer("ptr_", { struct: member.type.to });
    if (
      member.type.kind === "array"
        ? member.type.of.kind !== "int"
        : member.type.kind !== "int" && member.type.kind !== "enum"
    )
      return unsupported(`${member.name} of ${struct.name}, which is no number`);
    if (off + size > start + bytes)
      reject(
        "other",
        `access beyond the end of member ${member.name} (mend:${start + bytes}) in struct ${struct.name} with ${where}`,
        base,
      );
    return ANY;
  }
  return unsupported(`a place in ${struct.name} where no member is known`);
}

function writable(
  types: KernelTypes,
  struct: KernelStruct,
  { members, anywhere = [] }: WritablePlaces,
  { off, size, base }: { readonly off: number; readonly size: number; readonly base: number },
): void {
  for (const name of members) {
    const found = findMember(types, struct.name, name);
    if (!found) continue;
    const start = found.offset / 8;
    const end = start + sizeOfKernelType(types, found.type);
    if (anywhere.includes(name) ? off < start || off >= end : off !== start) continue;
    if (off + size > end)
      reject(
        "other",
        `write access at off ${off} with size ${size} beyond the member of ${struct.name} ended at ${end}`,
        base,
      );
    return;
  }
  reject("other", `no write support to ${struct.name} at off ${off}`, base);
}

/** Whether a register leads to a struct, or to one that begins with it, as it was given to the program. */
export const leadsTo = (types: KernelTypes, reg: Reg, wanted: string): boolean =>
  reg.type === "trusted_ptr_" &&
  !reg.nullable &&
  reg.struct !== undefined &&
  reg.off === 0 &&
  isKnown(reg.value) &&
  reg.value.smin === 0n &&
  beginsWith(types, reg.struct, wanted);
