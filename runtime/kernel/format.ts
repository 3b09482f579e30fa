/** Values for people and for scripts: addresses as dotted quads, 64-bit integers as JSON can hold them, values read from text. */
import { addressText } from "../../compiler/addresses.ts";
import { isIp6, type Layout, type StructLayout } from "../../compiler/layout.ts";
import type { Value } from "./codec.ts";
import { RuntimeError } from "./errors.ts";

/** One line of text: `{ addr: 10.0.0.1, port: 443, bytes: 12 }`. */
export function show(layout: Layout, value: Value): string {
  switch (layout.kind) {
    case "int":
      return String(value);
    case "be":
      return layout.bits === 32 ? dottedQuad(Number(value)) : String(value);
    case "cstring":
      return JSON.stringify(value);
    case "array":
      if (isIp6(layout)) return ip6Text(value as readonly Value[]);
      return `[${(value as readonly Value[]).map((item) => show(layout.of, item)).join(", ")}]`;
    case "struct": {
      const object = value as Readonly<Record<string, Value>>;
      return `{ ${layout.fields.map((field) => `${field.name}: ${show(field.layout, object[field.name]!)}`).join(", ")} }`;
    }
  }
}

/** What `--json` prints: bigints as numbers where a number is exact, else as strings; 32-bit addresses as dotted quads. */
export function toJson(layout: Layout, value: Value): unknown {
  switch (layout.kind) {
    case "int":
      return typeof value === "bigint" ? exact(value) : value;
    case "be":
      return layout.bits === 32 ? dottedQuad(Number(value)) : typeof value === "bigint" ? exact(value) : value;
    case "cstring":
      return value;
    case "array":
      if (isIp6(layout)) return ip6Text(value as readonly Value[]);
      return (value as readonly Value[]).map((item) => toJson(layout.of, item));
    case "struct": {
      const object = value as Readonly<Record<string, Value>>;
      return Object.fromEntries(layout.fields.map((field) => [field.name, toJson(field.layout, object[field.name]!)]));
    }
  }
}

export const exact = (value: bigint): number | string =>
  value > -(2n ** 53n) && value < 2n ** 53n ? Number(value) : String(value);

export const dottedQuad = (host: number): string =>
  [host >>> 24, (host >>> 16) & 255, (host >>> 8) & 255, host & 255].join(".");

function ip6Text(words: readonly Value[]): string {
  const bytes = new DataView(new ArrayBuffer(16));
  words.forEach((word, index) => bytes.setUint32(4 * index, Number(word)));
  return addressText(new Uint8Array(bytes.buffer));
}

/** A value from the command line: `7`, `0x10`, `10.0.0.1`, `2001:db8::1`, `cubic`, `low=1,high=9` for a struct, or JSON. */
export function parseValue(layout: Layout, text: string, path: string): unknown {
  switch (layout.kind) {
    case "int":
    case "be": {
      if (layout.kind === "be" && layout.bits === 32 && text.includes(".")) return text;
      if (!/^-?(\d+|0x[0-9a-f]+)$/i.test(text))
        throw new RuntimeError("bad-value", `${path}: "${text}" is not a number`, {
          help: layout.kind === "be" && layout.bits === 32 ? "write an address (10.0.0.1) or a number" : undefined,
        });
      const big = text.startsWith("-") ? -BigInt(text.slice(1)) : BigInt(text);
      return layout.bits === 64 ? big : Number(big);
    }
    case "cstring":
      return text.startsWith('"') ? parseJson(text, path) : text;
    case "array":
      if (isIp6(layout) && !/^\s*\[/.test(text)) return text;
      return fromJson(layout, parseJson(text, path));
    case "struct":
      return /^\s*\{/.test(text) ? fromJson(layout, parseJson(text, path)) : fromFields(layout, text, path);
  }
}

/** `low=1,high=9`: fields whose own text has no comma. */
function fromFields(layout: StructLayout, text: string, path: string): unknown {
  const names = layout.fields.map((field) => field.name);
  const help = `write ${names.map((name) => `${name}=…`).join(",")} (fields left out are 0), or JSON: '{"${names[0]}": …}'`;
  const said = new Set<string>();
  return Object.fromEntries(
    text.split(",").map((part) => {
      const [, name, value] = /^\s*([^=]+?)\s*=(.*)$/.exec(part) ?? [];
      const field = layout.fields.find((candidate) => candidate.name === name);
      if (!field || value === undefined)
        throw new RuntimeError("bad-value", `${path}: "${part}" is no field and its value`, { help });
      if (said.has(name!)) throw new RuntimeError("bad-value", `${path}: ${name} is given twice`, { help });
      said.add(name!);
      return [name, parseValue(field.layout, value.trim(), `${path}.${name}`)];
    }),
  );
}

/** JSON to what the codec takes: strings of digits become bigints for 64-bit integers. */
export function fromJson(layout: Layout, value: unknown): unknown {
  if (
    (layout.kind === "int" || layout.kind === "be") &&
    layout.bits === 64 &&
    typeof value === "string" &&
    /^-?\d+$/.test(value)
  )
    return BigInt(value);
  if (layout.kind === "array" && Array.isArray(value)) return value.map((item) => fromJson(layout.of, item));
  if (layout.kind === "struct" && typeof value === "object" && value !== null)
    return Object.fromEntries(
      Object.entries(value).map(([name, item]) => {
        const field = layout.fields.find((candidate) => candidate.name === name);
        return [name, field ? fromJson(field.layout, item) : item];
      }),
    );
  return value;
}

function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new RuntimeError("bad-value", `${path}: this is not JSON: ${text}`, {
      help: `structs and arrays are written as JSON: '{"addr":"10.0.0.1","inUse":1}'`,
    });
  }
}
