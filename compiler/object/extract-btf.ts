/**
 * BTF of an extract of the kernel's types (compiler/bpf/kernel-types.ts): objects of other compilers are placed by it where no kernel is. The other way round
 * is extract-types.ts.
 */
import { sizeOfKernelType, type KernelMember, type KernelType, type KernelTypes } from "../bpf/kernel-types.ts";
import type { Btf, BtfMember, BtfType } from "./btf.ts";

/** Types by number, each made once; what an extract does not describe is a list of bytes. */
export function btfOfTypes(types: KernelTypes): Btf {
  const made: (BtfType | undefined)[] = [undefined];
  const known = new Map<string, number>();
  const add = (type: BtfType): number => made.push(type) - 1;
  const once = (key: string, make: () => BtfType): number => {
    const found = known.get(key) ?? add(make());
    known.set(key, found);
    return found;
  };
  const integer = (size: number, signed: boolean, bool: boolean): number =>
    once(`int ${size} ${signed} ${bool}`, () => ({
      kind: "int",
      name: bool ? "_Bool" : `${signed ? "s" : "u"}${size * 8}`,
      size,
      bits: size * 8,
      offset: 0,
      signed,
      bool,
      char: false,
    }));
  const array = (element: number, length: number): number =>
    once(`array ${element} ${length}`, () => ({ kind: "array", element, index: integer(4, false, false), length }));
  // Structs refer to each other by pointers, so their numbers are given before their members are looked at.
  for (const { name, bytes } of types.structs.values())
    known.set(`struct ${name}`, add({ kind: "struct", name, size: bytes, members: [] }));

  const typeOf = (type: KernelType): number => {
    switch (type.kind) {
      case "int":
        return integer(type.bytes, type.signed, type.bool ?? false);
      case "enum":
        return once(`enum ${type.bytes}`, () => ({
          kind: "enum",
          name: "",
          size: type.bytes,
          signed: type.signed,
          values: [],
        }));
      case "struct":
        return known.get(`struct ${type.name}`) ?? array(integer(1, false, false), sizeOfKernelType(types, type));
      case "pointer": {
        const to = type.to === undefined ? 0 : (known.get(`struct ${type.to}`) ?? 0);
        return once(`ptr ${to}`, () => ({ kind: "ptr", type: to }));
      }
      case "array":
        return array(typeOf(type.of), type.length);
      case "bytes":
        return array(integer(1, false, false), type.bytes);
    }
  };
  /** Members of a part without a type name are told with dots: they are a struct again, that begins where the whole one does. */
  const membersOf = (members: readonly KernelMember[], size: number): BtfMember[] => {
    const parts = new Map<string, KernelMember[]>();
    const own: BtfMember[] = [];
    for (const member of members) {
      const dot = member.name.indexOf(".");
      if (dot < 0) {
        own.push({ name: member.name, type: typeOf(member.type), offset: member.offset, bits: member.bits ?? 0 });
        continue;
      }
      const part = member.name.slice(0, dot);
      const inside = parts.get(part) ?? [];
      inside.push({ ...member, name: member.name.slice(dot + 1) });
      parts.set(part, inside);
    }
    for (const [name, inside] of parts)
      own.push({
        name,
        type: add({ kind: "struct", name: "", size, members: membersOf(inside, size) }),
        offset: 0,
        bits: 0,
      });
    return own;
  };
  for (const { name, bytes, members } of types.structs.values())
    made[known.get(`struct ${name}`)!] = { kind: "struct", name, size: bytes, members: membersOf(members, bytes) };
  return { types: made, offsets: [], strings: new Uint8Array(1) };
}
