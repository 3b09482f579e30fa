/** Values of the evaluator to and from bytes as the compiler laid them out. */
import { type Layout, sizeOf } from "../../compiler/layout.ts";
import type { StructValue, Value } from "./evaluate.ts";

export function decode(layout: Layout, bytes: Uint8Array, at = 0): Value {
  switch (layout.kind) {
    case "int": {
      const raw = little(bytes, at, layout.bits / 8);
      return layout.signed ? BigInt.asIntN(layout.bits, raw) : raw;
    }
    case "be":
      return little(bytes, at, layout.bits / 8);
    case "array": {
      const size = sizeOf(layout.of);
      return Array.from({ length: layout.length }, (_, i) => decode(layout.of, bytes, at + i * size)) as Value;
    }
    case "struct":
      return Object.fromEntries(
        layout.fields.map((field) => [field.name, decode(field.layout, bytes, at + field.offset)]),
      );
    case "cstring":
      throw new Error("generated programs have no strings");
  }
}

function little(bytes: Uint8Array, at: number, size: number): bigint {
  let value = 0n;
  for (let i = size - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[at + i]!);
  return value;
}

export function encode(layout: Layout, value: Value): Uint8Array {
  const bytes = new Uint8Array(sizeOf(layout));
  put(layout, value, bytes, 0);
  return bytes;
}

function put(layout: Layout, value: Value, bytes: Uint8Array, at: number): void {
  switch (layout.kind) {
    case "int":
    case "be":
      for (let i = 0, rest = BigInt.asUintN(layout.bits, value as bigint); i < layout.bits / 8; i++, rest >>= 8n) {
        bytes[at + i] = Number(rest & 0xffn);
      }
      break;
    case "array": {
      const size = sizeOf(layout.of);
      (value as Value[]).forEach((one, i) => put(layout.of, one, bytes, at + i * size));
      break;
    }
    case "struct":
      for (const field of layout.fields)
        put(field.layout, (value as StructValue)[field.name]!, bytes, at + field.offset);
      break;
    case "cstring":
      throw new Error("generated programs have no strings");
  }
}

/** For messages, and to compare: fields in declaration order, numbers in decimal. */
export function show(value: Value): string {
  if (typeof value !== "object") return String(value);
  if (Array.isArray(value)) return `[${value.map(show).join(", ")}]`;
  return `{ ${Object.entries(value)
    .map(([name, inner]) => `${name}: ${show(inner)}`)
    .join(", ")} }`;
}
