/** JavaScript values of a test to and from the bytes that programs see. Network order is a symbol here (runtime/dsl/network-order.ts). */
import { isIp6, sizeOf, type Layout } from "../../compiler/layout.ts";
import { hostOrder, networkOrder } from "../dsl/network-order.ts";
import { cstr } from "../dsl/schema.ts";
import { textOfUtf8, utf8 } from "../vm/bytes.ts";

export type Path = string;

const shown = (value: unknown): string =>
  typeof value === "bigint"
    ? `${value}n`
    : typeof value === "symbol"
      ? (value.description ?? "a symbol")
      : (JSON.stringify(value) ?? String(value));
const wrong = (path: Path, value: unknown, wanted: string): TypeError =>
  new TypeError(`${path}: ${shown(value)} is not ${wanted}`);

/** The bytes of a value; a TypeError names the part that does not fit. Missing fields are zero. */
export function toBytes(layout: Layout, value: unknown, path: Path): Uint8Array {
  const bytes = new Uint8Array(sizeOf(layout));
  write(layout, value, new DataView(bytes.buffer), 0, path);
  return bytes;
}

export function fromBytes(layout: Layout, bytes: Uint8Array): unknown {
  return read(layout, new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0);
}

function put(view: DataView, at: number, bits: 8 | 16 | 32 | 64, value: bigint, little: boolean): void {
  if (bits === 8) view.setUint8(at, Number(BigInt.asUintN(8, value)));
  else if (bits === 16) view.setUint16(at, Number(BigInt.asUintN(16, value)), little);
  else if (bits === 32) view.setUint32(at, Number(BigInt.asUintN(32, value)), little);
  else view.setBigUint64(at, BigInt.asUintN(64, value), little);
}
function take(view: DataView, at: number, bits: 8 | 16 | 32 | 64, little: boolean): bigint {
  if (bits === 8) return BigInt(view.getUint8(at));
  if (bits === 16) return BigInt(view.getUint16(at, little));
  return bits === 32 ? BigInt(view.getUint32(at, little)) : view.getBigUint64(at, little);
}

function write(layout: Layout, value: unknown, view: DataView, at: number, path: Path): void {
  switch (layout.kind) {
    case "int": {
      const name = `${layout.signed ? "i" : "u"}${layout.bits}`;
      const wide = layout.bits === 64;
      if (typeof value === "boolean") return put(view, at, layout.bits, BigInt(value), true);
      if (wide ? typeof value !== "bigint" : !Number.isInteger(value))
        throw wrong(path, value, wide ? `a bigint (${name})` : `a whole number (${name})`);
      const whole = BigInt(value as number | bigint);
      const wrap = layout.signed ? BigInt.asIntN : BigInt.asUintN;
      if (wrap(layout.bits, whole) !== whole) throw wrong(path, value, `inside the range of ${name}`);
      return put(view, at, layout.bits, whole, true);
    }
    case "be": {
      const host = hostOrder(layout.bits, value);
      const maker = { 16: "htons(…)", 32: 'ipv4("…") or htonl(…)', 64: "htonll(…)" }[layout.bits];
      if (host === undefined) throw wrong(path, value, `in network byte order: write ${maker}`);
      return put(view, at, layout.bits, host, false);
    }
    case "cstring": {
      const text =
        typeof value === "string"
          ? value
          : typeof value === "object" && value !== null && "text" in value
            ? String(value.text)
            : undefined;
      if (text === undefined) throw wrong(path, value, `a string: write cstr("…", ${layout.size})`);
      const bytes = utf8(text);
      if (bytes.length > layout.size) throw wrong(path, value, `at most ${layout.size} bytes long`);
      return new Uint8Array(view.buffer, view.byteOffset + at).set(bytes);
    }
    case "array": {
      if (!Array.isArray(value) || value.length > layout.length)
        throw wrong(path, value, isIp6(layout) ? 'an IPv6 address: write ipv6("…")' : `an array of ${layout.length}`);
      const step = sizeOf(layout.of);
      return value.forEach((item, index) => write(layout.of, item, view, at + index * step, `${path}[${index}]`));
    }
    case "struct": {
      if (typeof value !== "object" || value === null)
        throw wrong(path, value, `an object (${layout.name || "a struct"})`);
      for (const name of Object.keys(value))
        if (!layout.fields.some((field) => field.name === name))
          throw wrong(`${path}.${name}`, name, `a field of ${layout.name || "the struct"}`);
      for (const field of layout.fields) {
        const given = (value as Record<string, unknown>)[field.name];
        if (given !== undefined) write(field.layout, given, view, at + field.offset, `${path}.${field.name}`);
      }
    }
  }
}

function read(layout: Layout, view: DataView, at: number): unknown {
  switch (layout.kind) {
    case "int": {
      const value = take(view, at, layout.bits, true);
      const signed = layout.signed ? BigInt.asIntN(layout.bits, value) : value;
      return layout.bits === 64 ? signed : Number(signed);
    }
    case "be":
      return networkOrder(layout.bits, take(view, at, layout.bits, false));
    case "cstring": {
      const bytes = new Uint8Array(view.buffer, view.byteOffset + at, layout.size);
      const end = bytes.indexOf(0);
      return cstr(textOfUtf8(bytes.subarray(0, end < 0 ? layout.size : end)), layout.size);
    }
    case "array":
      return Array.from({ length: layout.length }, (_, index) => read(layout.of, view, at + index * sizeOf(layout.of)));
    case "struct":
      return Object.fromEntries(
        layout.fields.map((field) => [field.name, read(field.layout, view, at + field.offset)]),
      );
  }
}
