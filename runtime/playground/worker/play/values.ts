/** The words of an event: "send 100 srttUs=20000" is a name, what it is given in order, and what it is given by name. */
import { htons, ipv4 } from "../../../dsl/index.ts";

/** What is wrong with an event, in words for who wrote it. */
export class EventError extends Error {}

export interface Words {
  readonly name: string;
  readonly given: readonly string[];
  readonly named: ReadonlyMap<string, string>;
}

export function wordsOf(line: string): Words {
  const [name = "", ...rest] = line.trim().split(/\s+/);
  const named = new Map<string, string>();
  const given: string[] = [];
  for (const word of rest) {
    const at = word.indexOf("=");
    if (at > 0) named.set(word.slice(0, at), word.slice(at + 1));
    else given.push(word);
  }
  return { name, given, named };
}

/** How the text of a value is read. */
const READERS = {
  number(text: string): number {
    const value = Number(text);
    if (text === "" || !Number.isInteger(value)) throw new EventError(`${text} is no whole number`);
    return value;
  },
  fraction(text: string): number {
    const value = Number(text);
    if (text === "" || Number.isNaN(value)) throw new EventError(`${text} is no number`);
    return value;
  },
  bigint(text: string): bigint {
    if (!/^-?(\d+|0x[0-9a-f]+)n?$/i.test(text)) throw new EventError(`${text} is no whole number`);
    return BigInt(text.replace(/n$/, ""));
  },
  boolean(text: string): boolean {
    if (text !== "true" && text !== "false") throw new EventError(`${text} is neither true nor false`);
    return text === "true";
  },
  port: (text: string): symbol => htons(READERS.number(text)),
  ip4(text: string): symbol {
    if (!/^\d+\.\d+\.\d+\.\d+$/.test(text)) throw new EventError(`${text} is no IPv4 address`);
    return ipv4(text);
  },
  text: (text: string): string => text,
} as const;
export type ValueKind = keyof typeof READERS;
type ValueOf<K extends ValueKind> = ReturnType<(typeof READERS)[K]>;

export const read = <K extends ValueKind>(kind: K, text: string): ValueOf<K> => READERS[kind](text) as ValueOf<K>;

/** The word at a place; an error that shows the usage where there is none. */
export function wordAt<K extends ValueKind>({ given }: Words, at: number, kind: K, what: string): ValueOf<K> {
  const text = given[at];
  if (text === undefined) throw new EventError(`${what} is missing`);
  return read(kind, text);
}

/** What is given by name, each as its kind says; a name that is not there is an error with those that are. */
export function fieldsOf(
  named: ReadonlyMap<string, string>,
  kinds: Readonly<Record<string, ValueKind>>,
): Record<string, unknown> {
  const found: Record<string, unknown> = {};
  for (const [name, text] of named) {
    const kind = Object.hasOwn(kinds, name) ? kinds[name] : undefined;
    if (!kind) throw new EventError(`there is no ${name}; there is ${Object.keys(kinds).join(", ")}`);
    found[name] = read(kind, text);
  }
  return found;
}

/** "1c 04 00 0a", also without blanks. */
export function bytesOf(words: readonly string[]): Uint8Array {
  const text = words.join("");
  if (text.length % 2 !== 0 || !/^[0-9a-f]*$/i.test(text))
    throw new EventError(`${words.join(" ")} is not bytes in hexadecimal, two digits each`);
  return Uint8Array.from({ length: text.length / 2 }, (_, index) =>
    Number.parseInt(text.slice(2 * index, 2 * index + 2), 16),
  );
}

/** A value for people: symbols are numbers in network order. */
export function shown(value: unknown): string {
  if (typeof value === "symbol") return value.description ?? "";
  if (typeof value === "bigint") return `${value}`;
  if (value instanceof Uint8Array || value instanceof Float64Array) return `[${[...value].join(", ")}]`;
  if (Array.isArray(value)) return `[${value.map(shown).join(", ")}]`;
  if (typeof value === "object" && value !== null) {
    const text = (value as { text?: unknown }).text;
    if (typeof text === "string") return JSON.stringify(text);
    return `{ ${Object.entries(value)
      .map(([name, one]) => `${name}: ${shown(one)}`)
      .join(", ")} }`;
  }
  return String(value);
}
