/** Reads the section `.tsbpf`. It comes with the file, so every value is checked before it is believed. */
import { FEATURES } from "../bpf/kernels.ts";
import { sizeOf, type FieldLayout, type Layout } from "../layout.ts";
import type { FunctionEntry, GlobalSection, Signature } from "../module.ts";
import type { Span } from "../span.ts";
import type { FormatProblem, Parsed } from "./bytes.ts";
import { METADATA_SECTION, METADATA_VERSION, type Metadata } from "./metadata.ts";

/** Metadata with its spans made whole and its bytes decoded. */
export interface ReadMetadata {
  readonly target: string;
  readonly kernel?: string;
  readonly needs: readonly string[];
  readonly sources: readonly { readonly path: string; readonly text: string }[];
  readonly maps: readonly {
    readonly name: string;
    readonly symbol: string;
    readonly key?: Layout;
    readonly value?: Layout;
    readonly initial: readonly { readonly key: Uint8Array; readonly value: Uint8Array }[];
    readonly span?: Span;
  }[];
  readonly globals: readonly {
    readonly name: string;
    readonly symbol: string;
    readonly section: GlobalSection;
    readonly layout: Layout;
    readonly param: boolean;
    readonly span?: Span;
  }[];
  readonly programs: readonly {
    readonly name: string;
    readonly symbol: string;
    readonly type: string;
    readonly attachType: number;
    readonly stack: number;
    readonly functions: readonly FunctionEntry[];
    readonly lines: readonly { readonly slot: number; readonly span: Span }[];
    readonly span?: Span;
  }[];
  readonly structOps: readonly {
    readonly name: string;
    readonly symbol: string;
    readonly state?: Layout;
    readonly span?: Span;
  }[];
}

const DEEPEST_LAYOUT = 32;
const LARGEST = 0x7fff_ffff;
/** Layouts are written out in full wherever they occur, so their parts are as many as the text has. */
const SECTIONS: readonly GlobalSection[] = [".rodata", ".data", ".bss"];

/** Thrown and caught inside this file only: where the shape is wrong. */
class Misshapen extends Error {}
type Shape = Readonly<Record<string, unknown>>;

export function readMetadata(bytes: Uint8Array): Parsed<ReadMetadata> {
  const fail = (text: string): { readonly problem: FormatProblem } => ({
    problem: { text: `${METADATA_SECTION}: ${text}` },
  });
  if (bytes.length < 2 || bytes[0] !== 0 || bytes.at(-1) !== 0) return fail("no string between two NULs");
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(1, -1)));
  } catch {
    return fail("not JSON in UTF-8");
  }
  const version = isShape(json) ? json["version"] : undefined;
  if (version !== METADATA_VERSION)
    return fail(
      typeof version === "number" && version > METADATA_VERSION
        ? `version ${version}; this tsbpf reads version ${METADATA_VERSION}: use the newer one that made the object`
        : "it has no version",
    );
  try {
    return { value: metadata(json as Shape) };
  } catch (error) {
    if (error instanceof Misshapen) return fail(error.message);
    throw error;
  }
}

const isShape = (value: unknown): value is Shape =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function wrong(path: string, wanted: string): never {
  throw new Misshapen(`${path} is not ${wanted}`);
}
const shape = (value: unknown, path: string): Shape => (isShape(value) ? value : wrong(path, "an object"));
const list = (value: unknown, path: string): readonly unknown[] =>
  Array.isArray(value) ? value : wrong(path, "a list");
const text = (value: unknown, path: string): string => (typeof value === "string" ? value : wrong(path, "a string"));
const flag = (value: unknown, path: string): boolean =>
  typeof value === "boolean" ? value : wrong(path, "true or false");
const whole = (value: unknown, path: string, most: number = LARGEST): number =>
  typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= most
    ? value
    : wrong(path, `a whole number up to ${most}`);
const oneOf = <const T>(value: unknown, allowed: readonly T[], path: string): T =>
  (allowed as readonly unknown[]).includes(value) ? (value as T) : wrong(path, `one of ${allowed.join(", ")}`);
const optional = <T>(value: unknown, read: (value: unknown) => T): T | undefined =>
  value === undefined ? undefined : read(value);
const present = <K extends string, T>(key: K, value: T | undefined): { readonly [P in K]?: T } =>
  (value === undefined ? {} : { [key]: value }) as { readonly [P in K]?: T };

function metadata(json: Shape): ReadMetadata {
  const spans = spanTable(json as unknown as Metadata);
  const span = (value: unknown, path: string): { readonly span?: Span } =>
    present(
      "span",
      optional(value, (index) => spans[whole(index, path, spans.length - 1)]!),
    );
  const each = <T>(key: string, read: (row: Shape, path: string) => T): T[] =>
    list(json[key], key).map((row, index) => read(shape(row, `${key}[${index}]`), `${key}[${index}]`));
  const names = (row: Shape, path: string): { readonly name: string; readonly symbol: string } => {
    const name = text(row["name"], `${path}.name`);
    return { name, symbol: optional(row["symbol"], (symbol) => text(symbol, `${path}.symbol`)) ?? name };
  };
  return {
    target: text(json["target"], "target"),
    ...present(
      "kernel",
      optional(json["kernel"], (value) => text(value, "kernel")),
    ),
    needs: list(json["needs"], "needs").map((need, index) => {
      const key = text(need, `needs[${index}]`);
      return Object.hasOwn(FEATURES, key) ? key : wrong(`needs[${index}]`, "a feature that this tsbpf knows");
    }),
    sources: each("sources", (row, path) => ({
      path: text(row["path"], `${path}.path`),
      text: text(row["text"], `${path}.text`),
    })),
    maps: each("maps", (row, path) => ({
      ...names(row, path),
      ...present(
        "key",
        optional(row["key"], (value) => layout(value, `${path}.key`, 0)),
      ),
      ...present(
        "value",
        optional(row["value"], (value) => layout(value, `${path}.value`, 0)),
      ),
      initial: list(row["initial"], `${path}.initial`).map((pair, index) => {
        const at = `${path}.initial[${index}]`;
        const [key, value] = list(pair, at);
        return { key: unhex(text(key, at), at), value: unhex(text(value, at), at) };
      }),
      ...span(row["span"], `${path}.span`),
    })),
    globals: each("globals", (row, path) => ({
      ...names(row, path),
      section: oneOf(row["section"], SECTIONS, `${path}.section`),
      layout: layout(row["layout"], `${path}.layout`, 0),
      param: flag(row["param"], `${path}.param`),
      ...span(row["span"], `${path}.span`),
    })),
    programs: each("programs", (row, path) => ({
      ...names(row, path),
      type: text(row["type"], `${path}.type`),
      attachType: whole(row["attachType"], `${path}.attachType`),
      stack: whole(row["stack"], `${path}.stack`),
      functions: list(row["functions"], `${path}.functions`).map((entry, index) => {
        const at = `${path}.functions[${index}]`;
        const [name, slot, params, returns] = list(entry, at);
        return { name: text(name, at), slot: whole(slot, at), ...signature(params, returns, at) };
      }),
      lines: lineEntries(row["lines"], `${path}.lines`, spans),
      ...span(row["span"], `${path}.span`),
    })),
    structOps:
      json["structOps"] === undefined
        ? []
        : each("structOps", (row, path) => ({
            ...names(row, path),
            ...present(
              "state",
              optional(row["state"], (value) => layout(value, `${path}.state`, 0)),
            ),
            ...span(row["span"], `${path}.span`),
          })),
  };
}

function signature(params: unknown, returns: unknown, at: string): { readonly signature?: Signature } {
  if (params === undefined) return {};
  const flat = list(params, at).map((one) => text(one, at));
  if (flat.length % 2 !== 0) wrong(at, "a list of pairs");
  const pairs = flat.flatMap((name, index) => (index % 2 === 0 ? [{ name, type: flat[index + 1]! }] : []));
  return { signature: { params: pairs, ...(returns === null ? {} : { returns: text(returns, at) }) } };
}

function lineEntries(value: unknown, path: string, spans: readonly Span[]): { slot: number; span: Span }[] {
  const flat = list(value, path);
  if (flat.length % 2 !== 0) wrong(path, "a list of pairs");
  const entries: { slot: number; span: Span }[] = [];
  for (let at = 0; at < flat.length; at += 2) {
    const slot = whole(flat[at], `${path}[${at}]`);
    if (slot <= (entries.at(-1)?.slot ?? -1)) wrong(`${path}[${at}]`, "above the slot before");
    entries.push({ slot, span: spans[whole(flat[at + 1], `${path}[${at + 1}]`, spans.length - 1)]! });
  }
  return entries;
}

/** Spans refer to expansions and expansions to spans, always to earlier ones, so that no circle can be. */
function spanTable(json: Metadata): readonly Span[] {
  const rows = list(json.spans, "spans");
  const expansions = list(json.expansions, "expansions");
  const files = list(json.sources, "sources").length;
  const spans: Span[] = [];
  const depths: number[] = [];
  rows.forEach((row, index) => {
    const path = `spans[${index}]`;
    const [file, start, end, via] = list(row, path);
    const plain = {
      file: whole(file, path, files - 1),
      start: whole(start, path),
      end: whole(end, path),
    };
    if (via === undefined) {
      depths.push(0);
      spans.push(plain);
      return;
    }
    const number = whole(via, path, expansions.length - 1);
    const [kind, at, what] = list(expansions[number], `expansions[${number}]`);
    const outer = whole(at, `expansions[${number}]`, index - 1);
    depths.push(depths[outer]! + 1);
    // Whoever shows a span follows its expansions to the end.
    if (depths[index]! > 1000) wrong(path, "an expansion less than 1000 deep");
    spans.push({
      ...plain,
      via: {
        kind: oneOf(kind, ["call", "loop"], `expansions[${number}]`),
        at: spans[outer]!,
        what: typeof what === "number" ? what : text(what, `expansions[${number}]`),
      },
    });
  });
  return spans;
}

function layout(value: unknown, path: string, depth: number): Layout {
  if (depth > DEEPEST_LAYOUT) wrong(path, `a layout less than ${DEEPEST_LAYOUT} deep`);
  const row = shape(value, path);
  switch (row["kind"]) {
    case "int":
      return {
        kind: "int",
        bits: oneOf(row["bits"], [8, 16, 32, 64], `${path}.bits`),
        signed: flag(row["signed"], `${path}.signed`),
      };
    case "be":
      return { kind: "be", bits: oneOf(row["bits"], [16, 32, 64], `${path}.bits`) };
    case "cstring":
      return { kind: "cstring", size: whole(row["size"], `${path}.size`) };
    case "array": {
      const of = layout(row["of"], `${path}.of`, depth + 1);
      const length = whole(row["length"], `${path}.length`);
      if (sizeOf(of) * length > LARGEST) wrong(`${path}.length`, "small enough");
      return { kind: "array", of, length };
    }
    case "struct": {
      const size = whole(row["size"], `${path}.size`);
      const fields = list(row["fields"], `${path}.fields`).map((each, index): FieldLayout => {
        const at = `${path}.fields[${index}]`;
        const field = shape(each, at);
        const found: FieldLayout = {
          name: text(field["name"], `${at}.name`),
          offset: whole(field["offset"], `${at}.offset`),
          layout: layout(field["layout"], `${at}.layout`, depth + 1),
        };
        if (found.offset + sizeOf(found.layout) > size) wrong(at, "inside its struct");
        return found;
      });
      return {
        kind: "struct",
        name: text(row["name"], `${path}.name`),
        fields,
        size,
        align: oneOf(row["align"], [1, 2, 4, 8], `${path}.align`),
        packed: flag(row["packed"], `${path}.packed`),
      };
    }
    default:
      return wrong(`${path}.kind`, "a kind of layout");
  }
}

function unhex(digits: string, path: string): Uint8Array {
  if (!/^(?:[0-9a-f]{2})*$/.test(digits)) wrong(path, "hexadecimal");
  const bytes = new Uint8Array(digits.length / 2);
  for (let at = 0; at < bytes.length; at++) bytes[at] = parseInt(digits.slice(at * 2, at * 2 + 2), 16);
  return bytes;
}
