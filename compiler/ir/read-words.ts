/** Words of the textual form of the IR: what stands in a line, and the values, types and places that are written the same everywhere. */
import type { Expansion, Span } from "../span.ts";
import type { Type, Value } from "./ir.ts";
import { NAMED_POINTEES, PLAIN_POINTEES } from "./types.ts";

/** Words, %values, b-targets, numbers, strings and punctuation of a line. */
export const TOKEN = /"(?:[^"\\]|\\.)*"|%\d+(?:\.[^\s,:()=]+)?|-?\d+|[A-Za-z_$][\w$.-]*|->|[@:,(){}=+-]/g;

export interface Cursor {
  readonly line: number;
  readonly tokens: readonly string[];
  at: number;
}

export const fail = (cursor: Cursor, what: string): never => {
  throw new SyntaxError(
    `IR line ${cursor.line}: ${what} at "${cursor.tokens.slice(cursor.at, cursor.at + 4).join(" ")}"`,
  );
};
export const peek = (c: Cursor): string => c.tokens[c.at] ?? "";
export const next = (c: Cursor): string => c.tokens[c.at++] ?? fail(c, "unexpected end of line");
export const expect = (c: Cursor, token: string): void =>
  void (next(c) === token || fail({ ...c, at: c.at - 1 }, `expected ${token}`));
export const accept = (c: Cursor, token: string): boolean => (peek(c) === token ? (c.at++, true) : false);
export const integer = (c: Cursor): number => {
  const token = next(c);
  return /^-?\d+$/.test(token) ? Number(token) : fail({ ...c, at: c.at - 1 }, "expected a number");
};
export const big = (c: Cursor): bigint => BigInt(/^-?\d+$/.test(peek(c)) ? next(c) : fail(c, "expected a number"));
export const quoted = (c: Cursor): string =>
  JSON.parse(peek(c).startsWith('"') ? next(c) : fail(c, "expected a string")) as string;

export function type(c: Cursor): Type {
  const word = next(c);
  if (word === "w32" || word === "w64") return word;
  if (word !== "ptr") return fail({ ...c, at: c.at - 1 }, "expected a type");
  const to = next(c);
  if (Object.hasOwn(PLAIN_POINTEES, to)) return `ptr ${to}` as Type;
  if (!Object.hasOwn(NAMED_POINTEES, to)) return fail({ ...c, at: c.at - 1 }, "expected what the pointer leads to");
  expect(c, "(");
  const name = next(c);
  expect(c, ")");
  return `ptr ${to}(${name})` as Type;
}

export function definition(c: Cursor, values: Map<number, Value>): Value {
  const [, id = "", name] = /^%(\d+)(?:\.(.+))?$/.exec(next(c)) ?? fail(c, "expected a value");
  expect(c, ":");
  const known = values.get(Number(id));
  const made: Value = { id: Number(id), type: type(c), ...(name ? { name } : {}) };
  if (known) return known;
  values.set(made.id, made);
  return made;
}

export function definitionList(c: Cursor, values: Map<number, Value>): Value[] {
  const found: Value[] = [];
  if (!accept(c, "(")) return found;
  while (!accept(c, ")")) {
    found.push(definition(c, values));
    accept(c, ",");
  }
  return found;
}

export function use(c: Cursor, values: ReadonlyMap<number, Value>): Value {
  const token = next(c);
  return values.get(Number(token.slice(1))) ?? fail({ ...c, at: c.at - 1 }, `unknown value ${token}`);
}

export function useList(c: Cursor, values: ReadonlyMap<number, Value>): Value[] {
  const found: Value[] = [];
  if (!accept(c, "(")) return found;
  while (!accept(c, ")")) {
    found.push(use(c, values));
    accept(c, ",");
  }
  return found;
}

export function place(c: Cursor): Span {
  const spot = (): { file: number; start: number; end: number } => {
    expect(c, "@");
    const file = integer(c);
    expect(c, ":");
    const start = integer(c);
    return { file, start, end: -integer(c) };
  };
  if (peek(c) !== "@") return { file: 0, start: 0, end: 0 };
  const inner = spot();
  const chain: { kind: "call" | "loop"; what: string | number; at: { file: number; start: number; end: number } }[] =
    [];
  while (peek(c) === "call" || peek(c) === "loop") {
    const kind = next(c) as "call" | "loop";
    const what = peek(c).startsWith('"') ? quoted(c) : integer(c);
    chain.push({ kind, what, at: spot() });
  }
  const via = chain.reduceRight<Expansion | undefined>(
    (outer, link) => ({ kind: link.kind, what: link.what, at: { ...link.at, ...(outer ? { via: outer } : {}) } }),
    undefined,
  );
  return { ...inner, ...(via ? { via } : {}) };
}
