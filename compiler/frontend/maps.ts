/** Maps: their declarations at the top level. */
import { ts } from "ts-morph";
import { MAP_FLAGS } from "../bpf/map-types.ts";
import { sizeOf, structLayout, type Layout } from "../layout.ts";
import { holdsLocalAddresses, LOCAL_ADDRESSES } from "../local-addresses.ts";
import type { MapSpec } from "../module.ts";
import type { Span } from "../span.ts";
import { propertyValue } from "./aggregates.ts";
import { fieldType, positiveCount } from "./declare.ts";
import { encode } from "./encode.ts";
import type { MapEntity } from "./entities.ts";
import { at, bare, fail, type Lowering } from "./lowering.ts";
import { mapRow, type MapKind, type MapRow, type PrefixKey } from "./map-kinds.ts";
import { freshName, need, spanOf, type ModuleState } from "./module-state.ts";
import { BE32, IP6, U32 } from "./types.ts";

/** Key of a longest-prefix-match trie: struct bpf_lpm_trie_key, and the address. */
const prefixKey = (name: string, address: Layout): Layout =>
  structLayout(
    name,
    [
      { name: "length", layout: U32 },
      { name: "address", layout: address },
    ],
    false,
  );
const IP6_PREFIX = prefixKey("Ipv6Prefix", IP6);
const PREFIX_KEYS = {
  "ipv4-prefix": prefixKey("Ipv4Prefix", BE32),
  "ipv6-prefix": IP6_PREFIX,
  "ip-prefix": IP6_PREFIX,
} as const satisfies Record<PrefixKey, Layout>;
/** A socket's file descriptor. */
const SOCKET_KEY: Layout = { kind: "int", bits: 32, signed: true };
const PAGE = 4096;
export function declareMap(
  f: Lowering,
  name: string,
  kind: MapKind,
  node: ts.NewExpression,
  nameNode: ts.Node,
): MapEntity | undefined {
  const row = mapRow(kind);
  const written = node.arguments?.[0] && bare(node.arguments[0]);
  if (!written || !ts.isObjectLiteralExpression(written)) {
    return void fail(f, "literal-needed", node, {
      what: `the definition of a ${kind}`,
      example: "{ key: u32, value: u64, maxEntries: 64 }",
    });
  }
  const properties = new Map<string, ts.Expression>();
  for (const property of written.properties) {
    const found = propertyValue(f, property);
    if (!found) return undefined;
    properties.set(found.name, found.value);
  }
  const missing = [
    "value",
    ...(row.key === "written" ? ["key"] : []),
    ...(row.size === "entries" ? ["maxEntries"] : row.size === "bytes" ? ["bytes"] : []),
  ].find((one) => !properties.has(one));
  if (missing) return void fail(f, "map-property", node, { kind, name: missing });
  const value = fieldType(f, properties.get("value")!);
  const key = keyOf(f, row, properties);
  const maxEntries = sizeOfMap(f, row, properties);
  if (!value || key === null || maxEntries === undefined) return undefined;
  if (row.key === "written" && key && sizeOf(key) > f.state.kernel.maxStack) {
    return void fail(f, "map-key-size", properties.get("key")!, { bytes: sizeOf(key), limit: f.state.kernel.maxStack });
  }
  const limit = row.longestValue;
  if (limit !== undefined && sizeOf(value) > limit)
    return void fail(f, "map-value-size", properties.get("value")!, { kind, bytes: sizeOf(value), limit });
  const pinned = flag(f, properties.get("pinned"));
  const initial = initialValues(f, value, maxEntries, properties.get("initial"));
  if (!initial || pinned === undefined) return undefined;
  if (row.needs) need(f.state, row.needs, at(f, node), kind);
  f.state.names.add(name);
  const spec: MapSpec = {
    name,
    type: row.type,
    ...(key ? { key } : {}),
    // Of a ring buffer: the layout of its records, for readers. The kernel is not told.
    value,
    maxEntries,
    flags: row.flags,
    pinned,
    initial,
    span: spanOf(f.file, nameNode),
  };
  const entity: MapEntity = { kind: "map", mapKind: kind, spec, value };
  f.state.maps.push(entity);
  return entity;
}

/** The map of what the object's options keep for each socket: a word. Gives its name. */
export function declareOptionMap(state: ModuleState, span: Span): string {
  const { type, flags } = mapRow("SkStorage");
  const name = freshName(state, "option_state");
  const spec: MapSpec = {
    name,
    type,
    key: SOCKET_KEY,
    value: U32,
    maxEntries: 0,
    flags,
    pinned: false,
    initial: [],
    span,
  };
  state.maps.push({ kind: "map", mapKind: "SkStorage", spec, value: U32 });
  return name;
}

/** The map of this host's addresses, which the runtime keeps. */
export function localAddressesMap(state: ModuleState, span: Span): MapEntity {
  const known = state.maps.find(({ spec }) => holdsLocalAddresses(spec));
  if (known) return known;
  const { type, flags } = mapRow("ArrayMap");
  const spec: MapSpec = {
    name: freshName(state, "local_addrs"),
    type,
    key: U32,
    value: LOCAL_ADDRESSES,
    maxEntries: 1,
    flags,
    pinned: false,
    initial: [],
    span,
  };
  const entity: MapEntity = { kind: "map", mapKind: "ArrayMap", spec, value: LOCAL_ADDRESSES };
  state.maps.push(entity);
  return entity;
}

/** Sockets that a listener accepts begin with a copy of its word. */
export function inheritOptionMap(state: ModuleState, name: string): void {
  state.maps.forEach((one, index) => {
    if (one.spec.name === name)
      state.maps[index] = { ...one, spec: { ...one.spec, flags: one.spec.flags | MAP_FLAGS.clone } };
  });
}

/** The key's layout; undefined: it has none; null: reported. */
function keyOf(f: Lowering, row: MapRow, properties: ReadonlyMap<string, ts.Expression>): Layout | undefined | null {
  switch (row.key) {
    case "written":
      return fieldType(f, properties.get("key")!) ?? null;
    case "index":
      return U32;
    case "socket":
      return SOCKET_KEY;
    case "ipv4-prefix":
    case "ipv6-prefix":
    case "ip-prefix":
      return PREFIX_KEYS[row.key];
    case "none":
      return undefined;
  }
}

function sizeOfMap(f: Lowering, row: MapRow, properties: ReadonlyMap<string, ts.Expression>): number | undefined {
  if (row.size === "none") return 0;
  const node = properties.get(row.size === "bytes" ? "bytes" : "maxEntries")!;
  const count = positiveCount(f, node, row.size === "bytes" ? "the size of a ring buffer" : "maxEntries");
  if (count === undefined || row.size === "entries") return count;
  const isPowerOfTwo = (count & (count - 1)) === 0;
  return isPowerOfTwo && count % PAGE === 0
    ? count
    : void fail(f, "ring-size", node, { bytes: count, next: nextSize(count) });
}
const nextSize = (bytes: number): number => {
  let size = PAGE;
  while (size < bytes && size < 0x4000_0000) size *= 2;
  return size;
};

function flag(f: Lowering, node: ts.Expression | undefined): boolean | undefined {
  if (!node) return false;
  const { kind } = bare(node);
  if (kind === ts.SyntaxKind.TrueKeyword) return true;
  if (kind === ts.SyntaxKind.FalseKeyword) return false;
  return void fail(f, "not-constant", node, { what: "pinned" });
}

function initialValues(
  f: Lowering,
  value: Layout,
  maxEntries: number,
  node: ts.Expression | undefined,
): MapSpec["initial"] | undefined {
  if (!node) return [];
  const list = bare(node);
  if (!ts.isArrayLiteralExpression(list))
    return void fail(f, "literal-needed", node, { what: "the initial values", example: "[a, b]" });
  if (list.elements.length > maxEntries)
    return void fail(f, "too-many-initial", list, { count: list.elements.length, maxEntries });
  const initial: { key: Uint8Array; value: Uint8Array }[] = [];
  for (const [index, element] of list.elements.entries()) {
    if (ts.isSpreadElement(element)) return void fail(f, "spread", element, { of: "list" });
    const bytes = encode(f, value, element);
    if (!bytes) return undefined;
    const key = Uint8Array.of(index & 0xff, (index >> 8) & 0xff, (index >> 16) & 0xff, (index >>> 24) & 0xff);
    initial.push({ key, value: bytes });
  }
  return initial;
}
