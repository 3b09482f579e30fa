/** Layouts as BTF types, as clang would write them for the same C declarations. */
import type { Layout } from "../layout.ts";
import type { BtfBuilder } from "./btf.ts";

/** C's names for integers on the BPF machine, and the kernel's (include/uapi/asm-generic/int-ll64.h). */
const INTEGERS = {
  u8: { c: "unsigned char", kernel: "__u8" },
  u16: { c: "unsigned short", kernel: "__u16" },
  u32: { c: "unsigned int", kernel: "__u32" },
  u64: { c: "unsigned long long", kernel: "__u64" },
  i8: { c: "signed char", kernel: "__s8" },
  i16: { c: "short", kernel: "__s16" },
  i32: { c: "int", kernel: "__s32" },
  i64: { c: "long long", kernel: "__s64" },
} as const;

/** C's `int`. */
export const intType = (btf: BtfBuilder): number =>
  btf.add({ kind: "int", name: "int", size: 4, bits: 32, signed: true });
/** C's `char`. */
const charType = (btf: BtfBuilder): number => btf.add({ kind: "int", name: "char", size: 1, bits: 8, signed: true });

export function arrayType(btf: BtfBuilder, element: number, length: number): number {
  const index = btf.add({ kind: "int", name: "__ARRAY_SIZE_TYPE__", size: 4, bits: 32, signed: false });
  return btf.add({ kind: "array", element, index, length });
}
export const charArrayType = (btf: BtfBuilder, length: number): number => arrayType(btf, charType(btf), length);

/** The kernel takes only C identifiers as names of types, members, functions and variables. */
export const identifier = (name: string): string => {
  const plain = name.replace(/[^A-Za-z0-9_]/g, "_");
  return plain === "" || /^[0-9]/.test(plain) ? `_${plain}` : plain;
};

/** The id of the type that describes a layout. */
export function layoutType(btf: BtfBuilder, layout: Layout): number {
  switch (layout.kind) {
    case "int": {
      const { bits, signed } = layout;
      const names = INTEGERS[`${signed ? "i" : "u"}${bits}`];
      const type = btf.add({ kind: "int", name: names.c, size: bits / 8, bits, signed });
      return btf.add({ kind: "typedef", name: names.kernel, type });
    }
    case "be": {
      const type = layoutType(btf, { kind: "int", bits: layout.bits, signed: false });
      return btf.add({ kind: "typedef", name: `__be${layout.bits}`, type });
    }
    case "cstring":
      return charArrayType(btf, layout.size);
    case "array":
      return arrayType(btf, layoutType(btf, layout.of), layout.length);
    case "struct":
      return btf.add({
        kind: "struct",
        name: layout.name === "" ? "" : identifier(layout.name),
        size: layout.size,
        members: layout.fields.map((field) => ({
          name: identifier(field.name),
          type: layoutType(btf, field.layout),
          offset: field.offset * 8,
          bits: 0,
        })),
      });
  }
}
