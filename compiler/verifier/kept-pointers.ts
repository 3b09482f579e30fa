/**
 * Pointers to the kernel's objects that maps keep (kptr): loaded they are borrowed, and stored by an exchange alone (kernel/bpf/verifier.c:
 * check_map_kptr_access, process_kptr_func). Other parts that the kernel keeps to itself are not judged.
 */
import { KEPT_BY_RCU } from "../bpf/kernel-calls.ts";
import type { KeptPart } from "../module.ts";
import { inRcu, newId, regsOf, type Env } from "./env.ts";
import { isKnown } from "./scalar.ts";
import { isNull, isStructPointer, pointer, type Reg } from "./state.ts";
import { reject, unsupported } from "./verdict.ts";

/** What a load of such a part gives; undefined where the access touches none. */
export function keptAccess(
  env: Env,
  reg: Reg,
  off: number,
  { kind, size, base }: { readonly kind: "read" | "write"; readonly size: number; readonly base: number },
): Reg | undefined {
  const kept = reg.map?.kept;
  if (!kept) return undefined;
  const from = off + Number(reg.value.smin);
  const to = off + Number(reg.value.smax) + size;
  const met = kept.find((part) => from < part.offset + part.bytes && to > part.offset);
  if (!met) return undefined;
  if (!met.pointer) return unsupported("parts of a map's value that the kernel keeps to itself");
  if (!isKnown(reg.value)) return reject("map-bounds", "kptr access cannot have variable offset", base);
  if (from !== met.offset)
    return reject("map-bounds", `kptr access misaligned expected=${met.offset} off=${from}`, base);
  if (size !== 8) return reject("map-bounds", "kptr access size must be BPF_DW", base);
  const { struct, owned } = met.pointer;
  if (kind === "write") {
    if (owned) reject("other", "store to referenced kptr disallowed", base);
    return unsupported("stores of pointers into maps");
  }
  // What a program that may sleep has borrowed may be gone.
  const alive = owned && KEPT_BY_RCU.has(struct) && inRcu(env);
  return pointer(alive ? "rcu_ptr_" : "untrusted_ptr_", { struct, nullable: true, id: newId(env) });
}

/** The place of an exchange: an owned pointer, at a fixed offset. */
export function exchangedPart(reg: Reg, index: number): NonNullable<KeptPart["pointer"]> {
  if (!isKnown(reg.value))
    return reject("helper-arg", `R${index} doesn't have constant offset. kptr has to be at the constant offset`, index);
  if (!reg.map?.kept) return reject("helper-arg", `map ${reg.map?.name ?? ""} has no valid kptr`, index);
  const at = reg.off + Number(reg.value.smin);
  const part = reg.map.kept.find(({ offset }) => offset === at);
  if (part && !part.pointer) return unsupported("parts of a map's value that the kernel keeps to itself");
  if (!part?.pointer) return reject("helper-arg", `off=${at} doesn't point to kptr`, index);
  if (!part.pointer.owned) return reject("helper-arg", `off=${at} kptr isn't referenced kptr`, index);
  return part.pointer;
}

/** What an exchange stores: an object that the program owns, of the right type, or null. */
export function checkExchanged(env: Env, { struct }: { readonly struct: string }, index: number): void {
  const reg = regsOf(env)[index]!;
  if (isNull(reg)) return;
  if (!isStructPointer(reg) || reg.struct === undefined) unsupported("what is exchanged with a map");
  if (reg.type === "untrusted_ptr_" || reg.type === "rcu_ptr_" || reg.off !== 0 || reg.struct !== struct)
    reject("helper-arg", `invalid kptr access, R${index} type=${reg.type}${reg.struct} expected=ptr_${struct}`, index);
}
