/** BTF types as layouts: the way back of layout-types.ts, for objects of any compiler. */
import { alignOf, sizeOf, type FieldLayout, type Layout } from "../layout.ts";
import type { Btf, BtfType } from "./btf.ts";

/** Types nest no deeper in real programs; what does is shown as bytes. */
const DEEPEST = 32;
/** Parts of one layout, counted as often as they occur: a few nested arrays of structs must not become millions. */
const MOST_PARTS = 20_000;
/** The kernel's own limit for a map's value is far below. */
const LARGEST = 0x7fff_ffff;

const bytes = (length: number): Layout => ({
  kind: "array",
  of: { kind: "int", bits: 8, signed: false },
  length,
});
/** Memory of which only the size is known: an unsigned integer where one fits. */
export const layoutOfSize = (size: number): Layout =>
  size === 1 || size === 2 || size === 4 || size === 8
    ? { kind: "int", bits: (size * 8) as 8 | 16 | 32 | 64, signed: false }
    : bytes(size);

interface Found {
  readonly layout: Layout;
  readonly parts: number;
}

/** A function from type ids to layouts; undefined for types without a size (void, functions, forward declarations). */
export function layoutReader(btf: Btf): (id: number) => Layout | undefined {
  const known = new Map<number, Found | undefined>();

  const find = (id: number, depth: number): Found | undefined => {
    if (known.has(id)) return known.get(id);
    if (depth > DEEPEST) return undefined;
    // A struct that contains itself finds nothing here the second time.
    known.set(id, undefined);
    const type = btf.types[id];
    const found = type && read(type, depth + 1);
    const kept = found && found.parts > MOST_PARTS ? { layout: bytes(sizeOf(found.layout)), parts: 1 } : found;
    known.set(id, kept);
    return kept;
  };

  const read = (type: BtfType, depth: number): Found | undefined => {
    switch (type.kind) {
      case "int":
      case "enum":
      case "enum64": {
        const plain = layoutOfSize(type.size);
        return { layout: plain.kind === "int" ? { ...plain, signed: type.signed } : plain, parts: 1 };
      }
      case "float":
        return { layout: bytes(type.size), parts: 1 };
      case "ptr":
        return { layout: layoutOfSize(8), parts: 1 };
      case "typedef": {
        const order = /^(?:__)?be(16|32|64)$/.exec(type.name);
        const inner = find(type.type, depth);
        if (!order || inner?.layout.kind !== "int" || inner.layout.bits !== Number(order[1])) return inner;
        return { layout: { kind: "be", bits: inner.layout.bits as 16 | 32 | 64 }, parts: 1 };
      }
      case "const":
      case "volatile":
      case "restrict":
      case "type_tag":
        return find(type.type, depth);
      case "array": {
        const element = find(type.element, depth);
        if (!element || sizeOf(element.layout) * type.length > LARGEST) return undefined;
        if (isChar(type.element)) return { layout: { kind: "cstring", size: type.length }, parts: 1 };
        return { layout: { kind: "array", of: element.layout, length: type.length }, parts: element.parts + 1 };
      }
      case "struct":
        return struct(type, depth);
      case "union":
        return type.size > LARGEST ? undefined : { layout: bytes(type.size), parts: 1 };
      default:
        return undefined;
    }
  };

  const isChar = (id: number): boolean => {
    let type = btf.types[id];
    for (let depth = 0; depth < DEEPEST && (type?.kind === "const" || type?.kind === "volatile"); depth++)
      type = btf.types[type.type];
    return type?.kind === "int" && type.size === 1 && type.name === "char";
  };

  const struct = (type: BtfType & { readonly kind: "struct" | "union" }, depth: number): Found | undefined => {
    if (type.size > LARGEST) return undefined;
    const fields: FieldLayout[] = [];
    let parts = 1;
    let packed = false;
    let align = 1;
    for (const member of type.members) {
      // Bit fields have no place in a layout; their bytes stay what they are.
      if (member.bits !== 0 || member.offset % 8 !== 0) continue;
      const found = find(member.type, depth);
      if (!found) return { layout: bytes(type.size), parts: 1 };
      const offset = member.offset / 8;
      if (offset + sizeOf(found.layout) > type.size) return { layout: bytes(type.size), parts: 1 };
      const natural = Math.min(alignOf(found.layout), 8);
      packed ||= offset % natural !== 0;
      align = Math.max(align, natural);
      parts += found.parts;
      fields.push({ name: member.name, offset, layout: found.layout });
    }
    packed ||= type.size % align !== 0;
    return {
      layout: { kind: "struct", name: type.name, fields, size: type.size, align: packed ? 1 : align, packed },
      parts,
    };
  };

  return (id) => find(id, 0)?.layout;
}
