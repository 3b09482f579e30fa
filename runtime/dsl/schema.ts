/** Types of the language as values: what `u8`, `struct({…})` and `array(u8, 4)` are in Node. */
import {
  sizeOf as bytesOf,
  structLayout,
  type IntLayout,
  type Layout,
  type StructLayout,
} from "../../compiler/layout.ts";
import { networkOrder, type NetworkBits } from "./network-order.ts";

/** Every type carries its layout and the value that a field has when nobody gives one. */
export interface Schema {
  readonly layout: Layout;
  readonly zero: () => unknown;
}
type Bits = IntLayout["bits"];

export interface IntSchema<T extends number | bigint> extends Schema {
  (value: number | bigint | boolean): T;
}

function integer<T extends number | bigint>(bits: Bits, signed: boolean): IntSchema<T> {
  const wrap = signed ? BigInt.asIntN : BigInt.asUintN;
  const cast = (value: number | bigint | boolean): T => {
    const wrapped = wrap(bits, BigInt(value));
    return (bits === 64 ? wrapped : Number(wrapped)) as T;
  };
  return Object.assign(cast, { layout: { kind: "int", bits, signed } as const, zero: () => cast(0) });
}
const network = (bits: NetworkBits): Schema => ({ layout: { kind: "be", bits }, zero: () => networkOrder(bits, 0n) });

export const u8 = integer<number>(8, false);
export const u16 = integer<number>(16, false);
export const u32 = integer<number>(32, false);
export const i32 = integer<number>(32, true);
export const u64 = integer<bigint>(64, false);
export const i64 = integer<bigint>(64, true);
export const be16 = network(16);
export const be32 = network(32);
export const be64 = network(64);

export const array = (of: Schema, length: number): Schema => ({
  layout: { kind: "array", of: of.layout, length },
  zero: () => Array.from({ length }, () => of.zero()),
});

/** An IPv6 address. */
export const Ip6 = array(be32, 4);

/** A zero-padded string; equal ones are the same object. */
export interface FixedString {
  readonly text: string;
  readonly size: number;
  toString(): string;
}
const strings = new Map<string, FixedString>();
export function cstr(text: string, size: number): FixedString {
  const key = `${size} ${text}`;
  const known = strings.get(key);
  if (known) return known;
  if (new TextEncoder().encode(text).length > size) throw new RangeError(`"${text}" does not fit ${size} bytes`);
  const made: FixedString = Object.freeze({ text, size, toString: () => text });
  strings.set(key, made);
  return made;
}
export const cstring = (size: number): Schema => ({ layout: { kind: "cstring", size }, zero: () => cstr("", size) });

type Fields = Readonly<Record<string, Schema>>;
export interface StructClass extends Schema {
  new (init?: Readonly<Record<string, unknown>>): Record<string, unknown>;
  readonly layout: StructLayout;
}

/** The class to extend: `class Opt extends struct({ kind: u8 }) {}`. */
export function struct(fields: Fields, options: { readonly packed?: boolean } = {}): StructClass {
  const layout = structLayout(
    "",
    Object.entries(fields).map(([name, schema]) => ({ name, layout: schema.layout })),
    options.packed ?? false,
  );
  return class Struct {
    static readonly layout = layout;
    static zero(): unknown {
      return new this();
    }
    constructor(init: Readonly<Record<string, unknown>> = {}) {
      for (const [name, schema] of Object.entries(fields))
        Object.defineProperty(this, name, {
          value: init[name] ?? schema.zero(),
          writable: true,
          enumerable: true,
          configurable: true,
        });
    }
  } as unknown as StructClass;
}

export const sizeOf = (type: Schema): number => bytesOf(type.layout);
