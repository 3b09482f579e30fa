/**
 * How a value of the language lies in memory: the one description that lowering, BTF, the loader's codecs
 * and the test library all read. Sizes and offsets are in bytes.
 */
export type Layout = IntLayout | BigEndianLayout | StructLayout | ArrayLayout | CStringLayout;

/** u8 … i64, host byte order (little-endian on every target). */
export interface IntLayout {
  readonly kind: "int";
  readonly bits: 8 | 16 | 32 | 64;
  readonly signed: boolean;
}
/** be16, be32, be64: network byte order. */
export interface BigEndianLayout {
  readonly kind: "be";
  readonly bits: 16 | 32 | 64;
}
export interface StructLayout {
  readonly kind: "struct";
  readonly name: string;
  readonly fields: readonly FieldLayout[];
  readonly size: number;
  readonly align: number;
  readonly packed: boolean;
}
export interface FieldLayout {
  readonly name: string;
  readonly offset: number;
  readonly layout: Layout;
}
export interface ArrayLayout {
  readonly kind: "array";
  readonly of: Layout;
  readonly length: number;
}
/** A zero-padded string in `size` bytes. */
export interface CStringLayout {
  readonly kind: "cstring";
  readonly size: number;
}

/** Is it an IPv6 address, `array(be32, 4)`? So is a list of four IPv4 addresses, which nobody has asked for yet. */
export const isIp6 = (layout: Layout): boolean =>
  layout.kind === "array" && layout.length === 4 && layout.of.kind === "be" && layout.of.bits === 32;

export const sizeOf = (layout: Layout): number => {
  switch (layout.kind) {
    case "int":
    case "be":
      return layout.bits / 8;
    case "struct":
      return layout.size;
    case "array":
      return layout.length * sizeOf(layout.of);
    case "cstring":
      return layout.size;
  }
};

export const alignOf = (layout: Layout): number => {
  switch (layout.kind) {
    case "int":
    case "be":
      return layout.bits / 8;
    case "struct":
      return layout.align;
    case "array":
      return alignOf(layout.of);
    case "cstring":
      return 1;
  }
};

/** Lays fields out in the given order as C does (System V x86-64 ABI), or without padding when packed. */
export function structLayout(
  name: string,
  fields: readonly { readonly name: string; readonly layout: Layout }[],
  packed: boolean,
): StructLayout {
  let offset = 0;
  let align = 1;
  const placed: FieldLayout[] = [];
  for (const field of fields) {
    const fieldAlign = packed ? 1 : alignOf(field.layout);
    offset = Math.ceil(offset / fieldAlign) * fieldAlign;
    placed.push({ name: field.name, offset, layout: field.layout });
    offset += sizeOf(field.layout);
    align = Math.max(align, fieldAlign);
  }
  return { kind: "struct", name, fields: placed, size: Math.ceil(offset / align) * align, align, packed };
}

/** Same bytes in memory, in fields of the same names; whatever the structs are called. */
export function sameLayout(a: Layout, b: Layout): boolean {
  if (a === b) return true;
  if (a.kind === "int" && b.kind === "int") return a.bits === b.bits && a.signed === b.signed;
  if (a.kind === "be" && b.kind === "be") return a.bits === b.bits;
  if (a.kind === "cstring" && b.kind === "cstring") return a.size === b.size;
  if (a.kind === "array" && b.kind === "array") return a.length === b.length && sameLayout(a.of, b.of);
  if (a.kind === "struct" && b.kind === "struct") {
    return (
      a.size === b.size &&
      a.fields.length === b.fields.length &&
      a.fields.every((field, i) => {
        const other = b.fields[i]!;
        return field.name === other.name && field.offset === other.offset && sameLayout(field.layout, other.layout);
      })
    );
  }
  return false;
}
