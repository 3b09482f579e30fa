/**
 * The kernel's structs in an object's BTF: each with the members that programs use and no others, so that whoever loads the object finds them by
 * name in the kernel that runs (CO-RE).
 */
import {
  findMember,
  sizeOfKernelType,
  type KernelMember,
  type KernelType,
  type KernelTypes,
} from "../bpf/kernel-types.ts";
import type { CoreFact } from "../module.ts";
import type { BtfBuilder } from "./btf.ts";
import { arrayType, charArrayType, layoutType } from "./layout-types.ts";

/** What a record of a fact says: the type that the way begins at, and the members on it by position. */
export interface CoreAccess {
  readonly type: number;
  readonly access: string;
}
export interface KernelStructs {
  readonly access: (fact: CoreFact) => CoreAccess;
}

/** A struct on the way to members that are used: a part without a type name is one by itself. */
interface Used {
  readonly members: Map<string, { readonly offset: number; readonly bits: number; readonly of: Used | KernelType }>;
  readonly name: string;
  readonly bytes: number;
}
const isUsed = (of: Used | KernelType): of is Used => "members" in of;

/** Collects the facts first: a struct has all its members before it is written. A fact that the types do not have is a RangeError. */
export function kernelStructs(btf: BtfBuilder, types: KernelTypes, facts: readonly CoreFact[]): KernelStructs {
  const roots = new Map<string, Used>();
  const open = (name: string): Used => {
    const known = roots.get(name);
    if (known) return known;
    const made: Used = { members: new Map(), name, bytes: types.structs.get(name)?.bytes ?? 0 };
    roots.set(name, made);
    return made;
  };
  /** The members on the way, parts without a type name apart. */
  const steps = ({ struct, member }: CoreFact): { readonly in: Used; readonly name: string }[] => {
    const found = findMember(types, struct, member);
    if (!found) throw new RangeError(`the kernel's ${struct} has no ${member}`);
    let at = open(struct);
    return found.path.flatMap((step: KernelMember) => {
      const [part, inner] = step.name.split(".");
      if (inner === undefined) {
        const here = { in: at, name: step.name };
        const of = step.type.kind === "struct" ? open(step.type.name) : step.type;
        at.members.set(step.name, { offset: step.offset, bits: step.bits ?? 0, of });
        if (isUsed(of)) at = of;
        return [here];
      }
      // The part begins with its first member, or at least no later than this one.
      const siblings = types.structs.get(at.name)!.members.filter((one) => one.name.startsWith(`${part}.`));
      const start = Math.min(...siblings.map((one) => Math.floor(one.offset / 8) * 8));
      const bits = Math.max(...siblings.map((one) => one.offset + widthOf(types, one)));
      const known = at.members.get(part!)?.of;
      const of: Used =
        known && isUsed(known) ? known : { members: new Map(), name: "", bytes: Math.ceil((bits - start) / 8) };
      at.members.set(part!, { offset: start, bits: 0, of });
      of.members.set(inner, { offset: step.offset - start, bits: step.bits ?? 0, of: step.type });
      return [
        { in: at, name: part! },
        { in: of, name: inner },
      ];
    });
  };
  for (const fact of facts) steps(fact);

  const ids = new Map<Used, number>();
  const inOrder = ({ members }: Used) => [...members].sort(([, a], [, b]) => a.offset - b.offset);
  const idOf = (used: Used): number => {
    const known = ids.get(used);
    if (known !== undefined) return known;
    const members = inOrder(used).map(([name, { offset, bits, of }]) => ({
      name,
      type: isUsed(of) ? idOf(of) : kernelType(btf, of),
      offset,
      bits,
    }));
    const made = btf.add({ kind: "struct", name: used.name, size: used.bytes, members });
    ids.set(used, made);
    return made;
  };
  return {
    access(fact) {
      const way = steps(fact);
      const positions = way.map((step) => inOrder(step.in).findIndex(([name]) => name === step.name));
      return { type: idOf(roots.get(fact.struct)!), access: ["0", ...positions].join(":") };
    },
  };
}

const widthOf = (types: KernelTypes, { bits, type }: KernelMember): number => bits ?? 8 * sizeOfKernelType(types, type);

function kernelType(btf: BtfBuilder, type: KernelType): number {
  switch (type.kind) {
    case "int":
      if (type.bool) return btf.add({ kind: "int", name: "_Bool", size: 1, bits: 8, signed: false, bool: true });
      return layoutType(btf, { kind: "int", bits: (type.bytes * 8) as 8 | 16 | 32 | 64, signed: type.signed });
    case "array":
      return arrayType(btf, kernelType(btf, type.of), type.length);
    case "pointer":
      return btf.add({ kind: "ptr", type: 0 });
    case "enum":
      return btf.add({ kind: "enum", name: "", size: type.bytes, signed: type.signed, values: [] });
    case "struct":
      return btf.add({ kind: "struct", name: type.name, size: 0, members: [] });
    case "bytes":
      return charArrayType(btf, type.bytes);
  }
}
