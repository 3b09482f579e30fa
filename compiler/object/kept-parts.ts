/** Parts of values that the kernel keeps to itself: locks, timers, lists, pointers to its objects (kernel/bpf/btf.c: btf_find_field). */
import type { KeptPart } from "../module.ts";
import { resolved, sizeOfType, type Btf, type BtfType } from "./btf.ts";

const STRUCTS: ReadonlySet<string> = new Set([
  "bpf_spin_lock",
  "bpf_res_spin_lock",
  "bpf_timer",
  "bpf_wq",
  "bpf_task_work",
  "bpf_list_head",
  "bpf_list_node",
  "bpf_rb_root",
  "bpf_rb_node",
  "bpf_refcount",
  "bpf_dynptr",
]);
/** Tags of pointers, and whether they own what they lead to. */
const POINTERS: Readonly<Record<string, boolean | undefined>> = {
  kptr: true,
  kptr_untrusted: false,
  percpu_kptr: undefined,
  uptr: undefined,
};
const DEEPEST = 16;
const MOST_PARTS = 256;
/** BTF_FIELDS_MAX. */
const MOST_KNOWN = 11;

/** The kept parts of a type. */
export function keptParts(btf: Btf, id: number): readonly KeptPart[] {
  const found: KeptPart[] = [];
  const look = (at: number, offset: number, depth: number): void => {
    if (depth > DEEPEST || found.length >= MOST_PARTS) return;
    const type = resolved(btf, at);
    if (type?.kind === "ptr") {
      const pointer = pointerTo(btf, btf.types[type.type]);
      if (pointer !== "plain") found.push({ offset, bytes: 8, ...(pointer ? { pointer } : {}) });
    } else if (type?.kind === "array") {
      const bytes = sizeOfType(btf, type.element);
      for (let index = 0; index < Math.min(type.length, MOST_PARTS); index++)
        look(type.element, offset + index * bytes, depth + 1);
    } else if (type?.kind === "struct" || type?.kind === "union") {
      if (STRUCTS.has(type.name)) found.push({ offset, bytes: type.size });
      else for (const member of type.members) look(member.type, offset + member.offset / 8, depth + 1);
    }
  };
  look(id, 0, 0);
  // Of more than that the kernel knows none, and only complains where it can.
  return found.length > MOST_KNOWN ? found.map(({ offset, bytes }) => ({ offset, bytes })) : found;
}

function pointerTo(btf: Btf, tag: BtfType | undefined): KeptPart["pointer"] | "plain" {
  if (tag?.kind !== "type_tag" || !Object.hasOwn(POINTERS, tag.name)) return "plain";
  const owned = POINTERS[tag.name];
  const struct = resolved(btf, tag.type);
  return owned !== undefined && struct && "name" in struct ? { struct: struct.name, owned } : undefined;
}
