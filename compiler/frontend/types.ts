/** The types of the language, as lowering sees them: layouts of memory, and what never lies in memory. */
import {
  sizeOf,
  type ArrayLayout,
  type BigEndianLayout,
  type CStringLayout,
  type IntLayout,
  type Layout,
  type StructLayout,
} from "../layout.ts";
import type { Type } from "../ir/ir.ts";
import type { AccessBytes } from "../bpf/opcodes.ts";
import { ROLES, type Role } from "./roles.ts";

export type Aggregate = StructLayout | ArrayLayout | CStringLayout;
export type Primitive = IntLayout | BigEndianLayout;

/** A string that a program only compares and chooses: each possible text has a code. */
export interface StringType {
  readonly kind: "string";
  readonly codes: ReadonlyMap<string, bigint>;
}
export interface BoolType {
  readonly kind: "bool";
}
/** What one IR value can hold. */
export type ScalarType = Primitive | BoolType | StringType;

/** Type of a parameter, a variable or a result. */
export type DslType =
  | ScalarType
  | Aggregate
  | { readonly kind: "optional"; readonly of: ScalarType | Aggregate; /** A Ref<T>. */ readonly ref?: boolean }
  | { readonly kind: "ref"; readonly of: Primitive }
  | {
      readonly kind: "context";
      readonly role: Role;
      /** Of a tcpSock. */ readonly state?: StructLayout;
      /** May be undefined. */ readonly nullable?: true;
    }
  | { readonly kind: "undefined" };

const int = (bits: 8 | 16 | 32 | 64, signed: boolean): IntLayout => ({ kind: "int", bits, signed });
export const U8 = int(8, false);
export const U16 = int(16, false);
export const U32 = int(32, false);
export const I32 = int(32, true);
export const U64 = int(64, false);
export const I64 = int(64, true);
export const BE16: BigEndianLayout = { kind: "be", bits: 16 };
export const BE32: BigEndianLayout = { kind: "be", bits: 32 };
export const BE64: BigEndianLayout = { kind: "be", bits: 64 };
/** An IPv6 address. */
export const IP6: ArrayLayout = { kind: "array", of: BE32, length: 4 };
export const BOOL: BoolType = { kind: "bool" };

/** The names of the primitive types. */
export const PRIMITIVES: Readonly<Record<string, Primitive>> = {
  u8: U8,
  u16: U16,
  u32: U32,
  i32: I32,
  u64: U64,
  i64: I64,
  be16: BE16,
  be32: BE32,
  be64: BE64,
};
/** The names of the language for types of fields. */
export const FIELD_TYPES: Readonly<Record<string, Layout>> = { ...PRIMITIVES, Ip6: IP6 };

export interface Range {
  readonly min: bigint;
  readonly max: bigint;
}
export const rangeOf = (type: IntLayout): Range =>
  type.signed
    ? { min: -(1n << BigInt(type.bits - 1)), max: (1n << BigInt(type.bits - 1)) - 1n }
    : { min: 0n, max: (1n << BigInt(type.bits)) - 1n };
export const within = (inner: Range, outer: Range): boolean => inner.min >= outer.min && inner.max <= outer.max;

export const isAggregate = (type: DslType): type is Aggregate =>
  type.kind === "struct" || type.kind === "array" || type.kind === "cstring";
export const isPrimitive = (type: DslType): type is Primitive => type.kind === "int" || type.kind === "be";
export const isScalar = (type: DslType): type is ScalarType =>
  isPrimitive(type) || type.kind === "bool" || type.kind === "string";

/** IR type of a scalar. */
export const irType = (type: ScalarType): Type => (isPrimitive(type) && type.bits === 64 ? "w64" : "w32");
export const bytesOf = (type: Primitive): AccessBytes => (type.bits / 8) as AccessBytes;

/** Bytes of a layout that no field covers, so that they must be zeroed. */
export const hasPadding = (layout: Layout): boolean => {
  if (layout.kind === "array") return hasPadding(layout.of);
  if (layout.kind !== "struct") return false;
  const covered = layout.fields.reduce((sum, field) => sum + sizeOf(field.layout), 0);
  return covered !== layout.size || layout.fields.some((field) => hasPadding(field.layout));
};

/** A type as users write it. */
export function typeName(type: DslType): string {
  switch (type.kind) {
    case "int":
      return `${type.signed ? "i" : "u"}${type.bits}`;
    case "be":
      return `be${type.bits}`;
    case "bool":
      return "boolean";
    case "string":
      return [...type.codes.keys()].map((text) => JSON.stringify(text)).join(" | ");
    case "struct":
      return type.name;
    case "array":
      return `array(${typeName(type.of)}, ${type.length})`;
    case "cstring":
      return `cstring(${type.size})`;
    case "optional":
      return `${type.ref ? `Ref<${typeName(type.of)}>` : typeName(type.of)} | undefined`;
    case "ref":
      return `Ref<${typeName(type.of)}>`;
    case "context":
      return `${ROLES[type.role].name}${type.nullable ? " | undefined" : ""}`;
    case "undefined":
      return "undefined";
  }
}
