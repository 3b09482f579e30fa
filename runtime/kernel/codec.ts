/**
 * JavaScript values to and from the bytes of a map value, a parameter or a ring-buffer record, as the layout says.
 *
 * - Integers up to 32 bits are numbers, 64-bit ones bigints.
 * - Big-endian fields are read as their value in host order (port 443 is 443; 10.0.0.1 is 0x0a000001). An address may be
 *   written as "10.0.0.1" too, and one of IPv6 as "2001:db8::1" instead of its four words. `format.ts` prints them the way people write them.
 * - Structs are plain objects, arrays are arrays, zero-padded strings are strings.
 * - Fields that are not given are zero, as in the language; padding is always zero.
 */
import { parseIpv6 } from "../../compiler/addresses.ts";
import { isIp6, sizeOf, type Layout, type StructLayout } from "../../compiler/layout.ts";
import { hostOrder, parseIpv4 } from "../dsl/network-order.ts";
import { decoderFor, readText, type Decoder } from "./decoder.ts";
import { RuntimeError } from "./errors.ts";

export type Value = number | bigint | string | readonly Value[] | { readonly [field: string]: Value };

export interface Codec {
  /** Bytes. */
  readonly size: number;
  read(view: DataView, offset: number): Value;
  /** Stores a value; `path` names it in errors. The target bytes must be zero beforehand. */
  write(view: DataView, offset: number, value: unknown, path: string): void;
}

export function codecFor(layout: Layout): Codec {
  switch (layout.kind) {
    case "int":
      return layout.bits === 64 ? wide(layout.signed, true) : narrow(layout.bits, layout.signed, true);
    case "be":
      return layout.bits === 64 ? wide(false, false) : narrow(layout.bits, false, false);
    case "cstring":
      return text(layout.size);
    case "array":
      return { ...(isIp6(layout) ? address6 : list)(codecFor(layout.of), layout.length), read: lazily(layout) };
    case "struct":
      return struct(layout);
  }
}

/** Readers of composite values are generated when the first one is read. */
function lazily(layout: Layout): Decoder {
  let decoder: Decoder | undefined;
  return (view, offset) => (decoder ??= decoderFor(layout))(view, offset);
}

/** One value to bytes of exactly the layout's size. */
export function encode(layout: Layout, value: unknown, path: string): Uint8Array {
  const bytes = new Uint8Array(sizeOf(layout));
  codecFor(layout).write(new DataView(bytes.buffer), 0, value, path);
  return bytes;
}

/** The inverse of encode. */
export const decode = (layout: Layout, bytes: Uint8Array): Value =>
  codecFor(layout).read(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0);

function narrow(bits: 8 | 16 | 32, signed: boolean, little: boolean): Codec {
  const least = signed ? -(2 ** (bits - 1)) : 0;
  const greatest = signed ? 2 ** (bits - 1) - 1 : 2 ** bits - 1;
  const read: Record<8 | 16 | 32, (view: DataView, offset: number) => number> = signed
    ? {
        8: (view, offset) => view.getInt8(offset),
        16: (view, offset) => view.getInt16(offset, little),
        32: (view, offset) => view.getInt32(offset, little),
      }
    : {
        8: (view, offset) => view.getUint8(offset),
        16: (view, offset) => view.getUint16(offset, little),
        32: (view, offset) => view.getUint32(offset, little),
      };
  return {
    size: bits / 8,
    read: read[bits],
    write(view, offset, value, path) {
      const number = little ? plainNumber(value) : networkNumber(bits === 8 ? 16 : bits, value, path);
      if (typeof number !== "number" || !Number.isInteger(number)) throw wrong(path, value, "an integer");
      if (number < least || number > greatest)
        throw wrong(
          path,
          value,
          `a${little ? "" : " network-order"} ${signed ? "i" : "u"}${bits}: ${least} to ${greatest}`,
        );
      if (bits === 8) view.setUint8(offset, number & 0xff);
      else if (bits === 16) view.setUint16(offset, number & 0xffff, little);
      else view.setUint32(offset, number >>> 0, little);
    },
  };
}

function wide(signed: boolean, little: boolean): Codec {
  const least = signed ? -(1n << 63n) : 0n;
  const greatest = signed ? (1n << 63n) - 1n : (1n << 64n) - 1n;
  return {
    size: 8,
    read: signed
      ? (view, offset) => view.getBigInt64(offset, little)
      : (view, offset) => view.getBigUint64(offset, little),
    write(view, offset, value, path) {
      if (typeof value === "number" && !Number.isSafeInteger(value))
        throw wrong(path, value, "a bigint (numbers are exact up to 2^53 only)");
      const given = little ? value : (hostOrder(64, value) ?? value);
      if (typeof given !== "bigint" && typeof given !== "number") throw wrong(path, value, "a bigint");
      const big = BigInt(given);
      if (big < least || big > greatest)
        throw wrong(path, value, `${signed ? "an i64" : "a u64"}: ${least} to ${greatest}`);
      view.setBigUint64(offset, BigInt.asUintN(64, big), little);
    },
  };
}

function text(size: number): Codec {
  return {
    size,
    read: (view, offset) => readText(view, offset, size),
    write(view, offset, value, path) {
      if (typeof value !== "string") throw wrong(path, value, "a string");
      const bytes = Buffer.from(value, "utf8");
      if (bytes.length > size) throw wrong(path, value, `at most ${size} bytes of text`);
      new Uint8Array(view.buffer, view.byteOffset + offset, size).set(bytes);
    },
  };
}

function list(element: Codec, length: number): Omit<Codec, "read"> {
  return {
    size: element.size * length,
    write(view, offset, value, path) {
      const items = Array.isArray(value)
        ? (value as readonly unknown[])
        : ArrayBuffer.isView(value)
          ? [...(value as Uint8Array)]
          : undefined;
      if (!items) throw wrong(path, value, "an array");
      if (items.length > length) throw wrong(path, `an array of ${items.length}`, `at most ${length} elements`);
      items.forEach((item, index) => element.write(view, offset + index * element.size, item, `${path}[${index}]`));
    },
  };
}

/** An IPv6 address: four words, or text. */
function address6(word: Codec, length: number): Omit<Codec, "read"> {
  const words = list(word, length);
  return {
    ...words,
    write(view, offset, value, path) {
      if (typeof value !== "string") return words.write(view, offset, value, path);
      const bytes = parseIpv6(value);
      if (!bytes)
        throw wrong(
          path,
          value,
          "an IPv6 address like 2001:db8::1 (or ::ffff:10.0.0.1, which stands for an IPv4 address)",
        );
      new Uint8Array(view.buffer, view.byteOffset + offset, bytes.length).set(bytes);
    },
  };
}

function struct(layout: StructLayout): Codec {
  const fields = layout.fields.map((field) => ({
    name: field.name,
    offset: field.offset,
    codec: codecFor(field.layout),
  }));
  const known = new Set(fields.map((field) => field.name));
  return {
    size: layout.size,
    read: lazily(layout),
    write(view, offset, value, path) {
      if (typeof value !== "object" || value === null || Array.isArray(value))
        throw wrong(path, value, `an object { ${[...known].join(", ")} }`);
      for (const name of Object.keys(value))
        if (!known.has(name)) throw wrong(`${path}.${name}`, "an unknown field", `one of ${[...known].join(", ")}`);
      for (const field of fields) {
        // Own properties alone: a field may be called "constructor".
        if (!Object.hasOwn(value, field.name)) continue;
        const given = (value as Record<string, unknown>)[field.name];
        if (given !== undefined) field.codec.write(view, offset + field.offset, given, `${path}.${field.name}`);
      }
    },
  };
}

const plainNumber = (value: unknown): unknown =>
  typeof value === "boolean" || typeof value === "bigint" ? Number(value) : value;

/** Also takes what `ipv4()` and `htons()` of the language give, and "10.0.0.1" for 32 bits. */
function networkNumber(bits: 16 | 32, value: unknown, path: string): unknown {
  const network = hostOrder(bits, value);
  if (network !== undefined) return Number(network);
  if (bits !== 32 || typeof value !== "string") return plainNumber(value);
  const address = parseIpv4(value);
  if (address === undefined) throw wrong(path, value, "an IPv4 address like 10.0.0.1");
  return Number(address);
}

function wrong(path: string, value: unknown, wanted: string): RuntimeError {
  const shown =
    typeof value === "object" && value !== null
      ? Array.isArray(value)
        ? "an array"
        : "an object"
      : typeof value === "bigint"
        ? `${value}n`
        : String(value);
  return new RuntimeError("bad-value", `${path}: ${shown} is not ${wanted}`);
}
