/** Structs of a kernel out of its BTF, as programs are compiled with them (compiler/bpf/kernel-types.ts). */
import type { KernelMember, KernelStruct, KernelType, KernelTypes } from "../bpf/kernel-types.ts";
import { resolved, sizeOfType, type Btf, type BtfType } from "./btf.ts";

/** Deeper than the kernel nests its types. */
const DEEPEST = 32;
/** Members of one struct; what has more (a part that is in itself, say) is told without them. */
const MOST_MEMBERS = 10_000;
type Bytes = 1 | 2 | 4 | 8;
const isWord = (bytes: number): bytes is Bytes => bytes === 1 || bytes === 2 || bytes === 4 || bytes === 8;

/**
 * The named structs, of those that the BTF has. Members of parts without a type name are told as members of the struct itself: under the
 * part's name and a dot, or under their own where the part has none.
 */
export function extractTypes(btf: Btf, names: readonly string[], release: string): KernelTypes {
  const wanted = new Set(names);
  const plain = (id: number): BtfType | undefined => resolved(btf, id);
  const typeOf = (id: number, depth = 0): KernelType => {
    const type = plain(id);
    const opaque: KernelType = { kind: "bytes", bytes: sizeOfType(btf, id) };
    switch (type?.kind) {
      case "int":
        if (!isWord(type.size)) return opaque;
        return type.bool
          ? { kind: "int", bytes: 1, signed: false, bool: true }
          : { kind: "int", bytes: type.size, signed: type.signed };
      case "enum":
      case "enum64":
        return isWord(type.size) ? { kind: "enum", bytes: type.size, signed: false } : opaque;
      case "ptr": {
        const to = plain(type.type);
        return { kind: "pointer", ...(to?.kind === "struct" && wanted.has(to.name) ? { to: to.name } : {}) };
      }
      case "array": {
        const of = depth < DEEPEST ? typeOf(type.element, depth + 1) : opaque;
        return of.kind === "int" ? { kind: "array", of, length: type.length } : opaque;
      }
      case "struct":
        return wanted.has(type.name) ? { kind: "struct", name: type.name } : opaque;
      default:
        return opaque;
    }
  };
  let left = MOST_MEMBERS;
  const membersOf = (type: BtfType, prefix: string, base: number, depth: number): KernelMember[] => {
    if ((type.kind !== "struct" && type.kind !== "union") || depth > DEEPEST) return [];
    return type.members.flatMap((member): KernelMember[] => {
      if (left-- <= 0) return [];
      const inner = plain(member.type);
      const offset = base + member.offset;
      const name = prefix + member.name;
      if ((inner?.kind === "struct" || inner?.kind === "union") && inner.name === "")
        return membersOf(inner, member.name === "" ? prefix : `${name}.`, offset, depth + 1);
      const made = typeOf(member.type);
      // Marks of where the kernel's groups of members begin and end.
      if (sizeOfType(btf, member.type) === 0) return [];
      return [{ name, offset, ...(member.bits > 0 ? { bits: member.bits } : {}), type: made }];
    });
  };
  const structs = new Map<string, KernelStruct>();
  for (const name of names) {
    const type = btf.types.find((one) => one?.kind === "struct" && one.name === name);
    left = MOST_MEMBERS;
    const members = type ? membersOf(type, "", 0, 0) : [];
    if (type?.kind === "struct") structs.set(name, { name, bytes: type.size, members: left < 0 ? [] : members });
  }
  return { release, structs };
}
