/**
 * BTF, the type format of BPF: types as values, encoded and decoded (Documentation/bpf/btf.rst, include/uapi/linux/btf.h).
 * Type ids are indices into the list of types; 0 is void.
 */
import {
  byteWriter,
  stringAt,
  stringTable,
  viewOf,
  type ByteWriter,
  type FormatProblem,
  type Parsed,
} from "./bytes.ts";

export const BTF_MAGIC = 0xeb9f;
export const BTF_KIND = {
  int: 1,
  ptr: 2,
  array: 3,
  struct: 4,
  union: 5,
  enum: 6,
  fwd: 7,
  typedef: 8,
  volatile: 9,
  const: 10,
  restrict: 11,
  func: 12,
  func_proto: 13,
  var: 14,
  datasec: 15,
  float: 16,
  decl_tag: 17,
  type_tag: 18,
  enum64: 19,
} as const;
export type BtfKind = keyof typeof BTF_KIND;
const KIND_NAMES: readonly (BtfKind | undefined)[] = Object.entries(BTF_KIND).reduce<(BtfKind | undefined)[]>(
  (names, [name, number]) => {
    names[number] = name as BtfKind;
    return names;
  },
  [undefined],
);

/** Linkage of functions and variables. */
export const LINKAGE = { static: 0, global: 1, extern: 2 } as const;

export interface BtfMember {
  readonly name: string;
  readonly type: number;
  /** In bits from the start of the struct. */
  readonly offset: number;
  /** Width in bits when it is a bit field, else 0. */
  readonly bits: number;
}
export type BtfType =
  | {
      readonly kind: "int";
      readonly name: string;
      readonly size: number;
      readonly bits: number;
      readonly signed: boolean;
      readonly char?: boolean;
      readonly bool?: boolean;
    }
  | { readonly kind: "ptr"; readonly type: number }
  | { readonly kind: "array"; readonly element: number; readonly index: number; readonly length: number }
  | {
      readonly kind: "struct" | "union";
      readonly name: string;
      readonly size: number;
      readonly members: readonly BtfMember[];
    }
  | {
      readonly kind: "enum" | "enum64";
      readonly name: string;
      readonly size: number;
      readonly signed: boolean;
      readonly values: readonly { readonly name: string; readonly value: bigint }[];
    }
  | { readonly kind: "fwd"; readonly name: string; readonly union: boolean }
  | {
      readonly kind: "typedef" | "volatile" | "const" | "restrict" | "type_tag";
      readonly name: string;
      readonly type: number;
    }
  | { readonly kind: "func" | "var"; readonly name: string; readonly type: number; readonly linkage: number }
  | {
      readonly kind: "func_proto";
      readonly returns: number;
      readonly params: readonly { readonly name: string; readonly type: number }[];
    }
  | {
      readonly kind: "datasec";
      readonly name: string;
      readonly size: number;
      /** Offset and size in bytes; clang leaves the offsets to the loader. */
      readonly vars: readonly { readonly type: number; readonly offset: number; readonly size: number }[];
    }
  | { readonly kind: "float"; readonly name: string; readonly size: number }
  | { readonly kind: "decl_tag"; readonly name: string; readonly type: number; readonly component: number };

/** Types by id (0 is void and undefined here), and the strings that .BTF.ext refers to as well. */
export interface Btf {
  readonly types: readonly (BtfType | undefined)[];
  /** Where each type starts, in bytes from the start of the section. */
  readonly offsets: readonly number[];
  readonly strings: Uint8Array;
}

/** Collects types, each distinct one once, and gives their ids. */
export interface BtfBuilder {
  readonly add: (type: BtfType) => number;
  readonly strings: { readonly offset: (text: string) => number };
  /** The .BTF section. */
  readonly finish: () => Uint8Array;
}

export function btfBuilder(): BtfBuilder {
  const strings = stringTable();
  const types: BtfType[] = [];
  const ids = new Map<string, number>();
  return {
    strings,
    add: (type) => {
      const key = JSON.stringify(type, (_, value: unknown) => (typeof value === "bigint" ? `${value}n` : value));
      const before = ids.get(key);
      if (before !== undefined) return before;
      types.push(type);
      ids.set(key, types.length);
      return types.length;
    },
    finish: () => {
      const body = byteWriter();
      for (const type of types) encodeType(body, type, strings.offset);
      return section(body.finish(), strings.finish());
    },
  };
}

function section(types: Uint8Array, strings: Uint8Array): Uint8Array {
  const out = byteWriter();
  out.u16(BTF_MAGIC);
  out.u8(1);
  out.u8(0);
  out.u32(24);
  out.u32(0);
  out.u32(types.length);
  out.u32(types.length);
  out.u32(strings.length);
  out.bytes(types);
  out.bytes(strings);
  return out.finish();
}

function encodeType(out: ByteWriter, type: BtfType, string: (text: string) => number): void {
  const head = (name: string, count: number, sizeOrType: number, flag = false): void => {
    out.u32(string(name));
    out.u32(((flag ? 0x8000_0000 : 0) | (BTF_KIND[type.kind] << 24) | count) >>> 0);
    out.u32(sizeOrType);
  };
  switch (type.kind) {
    case "int":
      head(type.name, 0, type.size);
      out.u32((((type.signed ? 1 : 0) | (type.char ? 2 : 0) | (type.bool ? 4 : 0)) << 24) | type.bits);
      return;
    case "ptr":
      return head("", 0, type.type);
    case "array":
      head("", 0, 0);
      out.u32(type.element);
      out.u32(type.index);
      out.u32(type.length);
      return;
    case "struct":
    case "union": {
      const bitFields = type.members.some((member) => member.bits !== 0);
      head(type.name, type.members.length, type.size, bitFields);
      for (const member of type.members) {
        out.u32(string(member.name));
        out.u32(member.type);
        out.u32(bitFields ? ((member.bits << 24) | member.offset) >>> 0 : member.offset);
      }
      return;
    }
    case "enum":
    case "enum64":
      head(type.name, type.values.length, type.size, type.signed);
      for (const value of type.values) {
        out.u32(string(value.name));
        out.u32(Number(BigInt.asUintN(32, value.value)));
        if (type.kind === "enum64") out.u32(Number(BigInt.asUintN(32, value.value >> 32n)));
      }
      return;
    case "fwd":
      return head(type.name, 0, 0, type.union);
    case "typedef":
    case "volatile":
    case "const":
    case "restrict":
    case "type_tag":
      return head(type.name, 0, type.type);
    case "func":
      return head(type.name, type.linkage, type.type);
    case "var":
      head(type.name, 0, type.type);
      return out.u32(type.linkage);
    case "func_proto":
      head("", type.params.length, type.returns);
      for (const param of type.params) {
        out.u32(string(param.name));
        out.u32(param.type);
      }
      return;
    case "datasec":
      head(type.name, type.vars.length, type.size);
      for (const entry of type.vars) {
        out.u32(entry.type);
        out.u32(entry.offset);
        out.u32(entry.size);
      }
      return;
    case "float":
      return head(type.name, 0, type.size);
    case "decl_tag":
      head(type.name, 0, type.type);
      return out.u32(type.component >>> 0);
  }
}

/** Reads a .BTF section or /sys/kernel/btf/vmlinux. Every type id and string offset is checked. */
export function decodeBtf(bytes: Uint8Array): Parsed<Btf> {
  const fail = (text: string, offset?: number): { readonly problem: FormatProblem } => ({
    problem: { text: `.BTF: ${text}`, ...(offset === undefined ? {} : { offset }) },
  });
  if (bytes.length < 24) return fail(`the header is cut off: ${bytes.length} of 24 bytes`, 0);
  const view = viewOf(bytes);
  if (view.getUint16(0, true) !== BTF_MAGIC) return fail("the magic number is wrong", 0);
  if (bytes[2] !== 1) return fail(`version ${bytes[2]}, not 1`, 2);
  const headerBytes = view.getUint32(4, true);
  const typesAt = headerBytes + view.getUint32(8, true);
  const typesEnd = typesAt + view.getUint32(12, true);
  const stringsAt = headerBytes + view.getUint32(16, true);
  const stringsEnd = stringsAt + view.getUint32(20, true);
  if (headerBytes < 24 || typesEnd > bytes.length) return fail("the types end behind the section", 12);
  if (stringsEnd > bytes.length) return fail("the strings end behind the section", 20);
  const strings = bytes.subarray(stringsAt, stringsEnd);

  const types: (BtfType | undefined)[] = [undefined];
  const offsets = [0];
  const names = new Map<number, string>();
  let at = typesAt;
  let broken: { readonly text: string; readonly offset: number } | undefined;
  const name = (offset: number): string => {
    const before = names.get(offset);
    if (before !== undefined) return before;
    const text = offset === 0 ? "" : stringAt(strings, offset);
    if (text === undefined)
      broken ??= { text: `the name of type ${types.length} lies outside the strings`, offset: at };
    names.set(offset, text ?? "");
    return text ?? "";
  };
  while (at < typesEnd && !broken) {
    if (typesEnd - at < 12) return fail(`type ${types.length} is cut off`, at);
    const info = view.getUint32(at + 4, true);
    const kind = KIND_NAMES[(info >>> 24) & 0x1f];
    if (!kind) return fail(`type ${types.length} is of kind ${(info >>> 24) & 0x1f}, which BTF does not have`, at);
    const shape: Shape = {
      kind,
      name: name(view.getUint32(at, true)),
      count: info & 0xffff,
      flag: info >>> 31 === 1,
      sizeOrType: view.getUint32(at + 8, true),
    };
    const bodyBytes = bodySize(shape);
    if (typesEnd - at - 12 < bodyBytes) return fail(`type ${types.length} (${kind}) is cut off`, at);
    types.push(decodeType(shape, new DataView(view.buffer, view.byteOffset + at + 12, bodyBytes), name));
    offsets.push(at);
    at += 12 + bodyBytes;
  }
  if (broken) return fail(broken.text, broken.offset);
  const stray = types.findIndex((type) => type !== undefined && references(type).some((id) => id >= types.length));
  if (stray >= 0) return fail(`type ${stray} refers to a type that does not exist`);
  return { value: { types, offsets, strings } };
}

interface Shape {
  readonly kind: BtfKind;
  readonly name: string;
  readonly count: number;
  readonly flag: boolean;
  readonly sizeOrType: number;
}

/** Bytes behind the 12 that every type has: fixed ones and those of each entry. */
const BODY: Partial<Record<BtfKind, readonly [fixed: number, each: number]>> = {
  int: [4, 0],
  array: [12, 0],
  struct: [0, 12],
  union: [0, 12],
  enum: [0, 8],
  enum64: [0, 12],
  func_proto: [0, 8],
  var: [4, 0],
  datasec: [0, 12],
  decl_tag: [4, 0],
};
const bodySize = ({ kind, count }: Shape): number => {
  const [fixed, each] = BODY[kind] ?? [0, 0];
  return fixed + each * count;
};

function decodeType(shape: Shape, body: DataView, string: (offset: number) => string): BtfType {
  const { kind, name, count, flag, sizeOrType } = shape;
  const word = (at: number): number => body.getUint32(at, true);
  const entries = <T>(bytes: number, read: (at: number) => T): T[] =>
    Array.from({ length: count }, (_, index) => read(index * bytes));
  switch (kind) {
    case "int": {
      const bits = word(0);
      const encoding = bits >>> 24;
      return {
        kind,
        name,
        size: sizeOrType,
        bits: bits & 0xff,
        signed: (encoding & 1) !== 0,
        ...(encoding & 2 ? { char: true } : {}),
        ...(encoding & 4 ? { bool: true } : {}),
      };
    }
    case "ptr":
      return { kind, type: sizeOrType };
    case "array":
      return { kind, element: word(0), index: word(4), length: word(8) };
    case "struct":
    case "union":
      return {
        kind,
        name,
        size: sizeOrType,
        members: entries(12, (at) => ({
          name: string(word(at)),
          type: word(at + 4),
          offset: flag ? word(at + 8) & 0xff_ffff : word(at + 8),
          bits: flag ? word(at + 8) >>> 24 : 0,
        })),
      };
    case "enum":
    case "enum64":
      return {
        kind,
        name,
        size: sizeOrType,
        signed: flag,
        values: entries(kind === "enum" ? 8 : 12, (at) => {
          const bits = kind === "enum" ? 32 : 64;
          const raw = BigInt(word(at + 4)) | (kind === "enum64" ? BigInt(word(at + 8)) << 32n : 0n);
          return { name: string(word(at)), value: flag ? BigInt.asIntN(bits, raw) : raw };
        }),
      };
    case "fwd":
      return { kind, name, union: flag };
    case "typedef":
    case "volatile":
    case "const":
    case "restrict":
    case "type_tag":
      return { kind, name, type: sizeOrType };
    case "func":
      return { kind, name, type: sizeOrType, linkage: count };
    case "var":
      return { kind, name, type: sizeOrType, linkage: word(0) };
    case "func_proto":
      return {
        kind,
        returns: sizeOrType,
        params: entries(8, (at) => ({ name: string(word(at)), type: word(at + 4) })),
      };
    case "datasec":
      return {
        kind,
        name,
        size: sizeOrType,
        vars: entries(12, (at) => ({ type: word(at), offset: word(at + 4), size: word(at + 8) })),
      };
    case "float":
      return { kind, name, size: sizeOrType };
    case "decl_tag":
      return { kind, name, type: sizeOrType, component: body.getInt32(0, true) };
  }
}

/** Ids that a type refers to. */
function references(type: BtfType): readonly number[] {
  switch (type.kind) {
    case "array":
      return [type.element, type.index];
    case "struct":
    case "union":
      return type.members.map((member) => member.type);
    case "func_proto":
      return [type.returns, ...type.params.map((param) => param.type)];
    case "datasec":
      return type.vars.map((entry) => entry.type);
    case "ptr":
    case "typedef":
    case "volatile":
    case "const":
    case "restrict":
    case "type_tag":
    case "func":
    case "var":
    case "decl_tag":
      return [type.type];
    case "int":
    case "enum":
    case "enum64":
    case "fwd":
    case "float":
      return [];
  }
}

/** Names and qualifiers that stand before a type, at most: hostile ones may go round in circles. */
const DEEPEST_NAMES = 32;
const BEFORE: ReadonlySet<string> = new Set(["typedef", "const", "volatile", "restrict", "type_tag"]);
/** The type of an id without the names (typedef), qualifiers (const, volatile) and tags before it; undefined where there is none, or no end. */
export function resolved(btf: Btf, id: number): BtfType | undefined {
  let type = btf.types[id];
  for (let depth = 0; type && depth < DEEPEST_NAMES && BEFORE.has(type.kind); depth++)
    type = "type" in type ? btf.types[type.type] : undefined;
  return type && BEFORE.has(type.kind) ? undefined : type;
}

/** Bytes of the type of an id; 0 of what has none. */
export function sizeOfType(btf: Btf, id: number, depth = 0): number {
  const type = resolved(btf, id);
  if (type?.kind === "ptr") return 8;
  if (type?.kind === "array" && depth < DEEPEST_NAMES) return type.length * sizeOfType(btf, type.element, depth + 1);
  return type && "size" in type ? type.size : 0;
}
