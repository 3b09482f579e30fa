/** Calls on maps: get, ref, set, delete, getOrCreate, output. */
import { ts } from "ts-morph";
import type { Type, Value } from "../ir/ir.ts";
import { ANY_POINTER } from "../ir/types.ts";
import { alignOf, type Layout, sameLayout, sizeOf } from "../layout.ts";
import { build, buildsAggregate, storeExpression } from "./aggregates.ts";
import { roleRow } from "./roles.ts";
import { argumentsOf } from "./arguments.ts";
import { isLiteral } from "./constant-expressions.ts";
import { fieldOf, loadField } from "./context-fields.ts";
import type { MapEntity } from "./entities.ts";
import { at, bare, fail, pointerTo, scratch, type Lowering } from "./lowering.ts";
import { isPrefixKey, mapRow, type MapKind, type PrefixKey } from "./map-kinds.ts";
import { asPlace, loadPrimitive, copyPlace, newSlot } from "./memory.ts";
import { ERROR, type Operand, type Root, type Scalar } from "./operand.ts";
import { copied, holding, replace, textOf } from "./references.ts";
import { addressOf, type Address } from "./socket-address.ts";
import {
  BE32,
  bytesOf,
  I32,
  IP6,
  irType,
  isPrimitive,
  type Primitive,
  type Range,
  rangeOf,
  typeName,
  U32,
} from "./types.ts";
import { convert, describe, knownRange } from "./values.ts";
import { expression } from "./visit.ts";

const MODES: Readonly<Record<string, bigint>> = { any: 0n, insert: 1n, update: 2n };

type Method = (f: Lowering, map: MapEntity, call: ts.CallExpression) => Operand;
const get: Method = (f, map, call) => lookup(f, map, call, false);
const ref: Method = (f, map, call) => lookup(f, map, call, true);
const storage =
  (name: "get" | "getOrCreate" | "delete"): Method =>
  (f, map, call) =>
    storageCall(f, map, name, call);
/** What can be called, by map and name. */
const METHODS = {
  ArrayMap: { get, ref, set: update },
  PerCpuArray: { get, ref, set: update },
  HashMap: { get, ref, set: update, delete: remove },
  LruHashMap: { get, ref, set: update, delete: remove },
  Ipv4Trie: { get },
  Ipv6Trie: { get },
  IpTrie: { get },
  SkStorage: { get: storage("get"), getOrCreate: storage("getOrCreate"), delete: storage("delete") },
  RingBuf: { output },
} as const satisfies Readonly<Record<MapKind, Readonly<Record<string, Method>>>>;
/** The names of what can be called on a map. */
export const mapMethods = (kind: MapKind): readonly string[] => Object.keys(METHODS[kind]);

export function mapCall(f: Lowering, map: MapEntity, name: string, call: ts.CallExpression): Operand {
  const methods: Readonly<Record<string, Method>> = METHODS[map.mapKind];
  if (Object.hasOwn(methods, name)) return methods[name]!(f, map, call);
  return fail(f, "map-method", (call.expression as ts.PropertyAccessExpression).name, {
    name,
    kind: map.mapKind,
    known: mapMethods(map.mapKind),
  });
}

/** A helper's result as an errno. */
const status = (f: Lowering, result: Value, node: ts.Node): Scalar => ({
  kind: "scalar",
  type: I32,
  value: f.b.unary("trunc", result, at(f, node)),
  range: { min: -4095n, max: 0n },
});
/** Slots that are numbered, and all exist. */
export const isArray = (map: MapEntity): boolean => mapRow(map.mapKind).key === "index";

/** A slot for short use that holds this value. */
function filled(f: Lowering, layout: Primitive, value: Value, name: string, node: ts.Node): Value {
  const span = at(f, node);
  const pointer = scratch(f, sizeOf(layout), alignOf(layout), name, span);
  f.b.store(bytesOf(layout), pointer, 0, value, span);
  return pointer;
}

/** Pointer to memory that holds a value of this layout: the place itself, or a slot filled for the call. */
function inMemory(
  f: Lowering,
  layout: Layout,
  node: ts.Expression,
  name: string,
  evaluated?: (operand: Operand) => void,
): Value | undefined {
  const span = at(f, node);
  if (isPrimitive(layout)) {
    const value = convert(f, expression(f, node, layout), layout, node);
    return value && filled(f, layout, value, name, node);
  }
  if (buildsAggregate(f, node)) {
    const memory = newSlot(f, layout, name, node);
    if (!memory) return undefined;
    storeExpression(f, layout, memory, node, true);
    return memory.base;
  }
  const operand = expression(f, node, layout);
  if (operand.kind === "error") return undefined;
  const place = operand.kind === "place" || operand.kind === "nullable" ? asPlace(f, operand, node) : undefined;
  if (!place || !sameLayout(place.type, layout))
    return void fail(f, "type-mismatch", node, { expected: typeName(layout), found: describe(operand) });
  evaluated?.(place);
  // Helpers take no pointers into the kernel's own structs as memory: it is a copy that they are given.
  if (place.at.root?.kind !== "state") return pointerTo(f, place, span);
  const copy = newSlot(f, layout, name, node);
  if (!copy) return undefined;
  copyPlace(f, layout, copy, place.at, node);
  return copy.base;
}

/** An evaluated key, not yet in memory: the value argument may use the same slot. */
function keyPointer(
  f: Lowering,
  map: MapEntity,
  node: ts.Expression,
): { readonly pointer: Value; readonly known?: bigint | undefined } | undefined {
  const { key: layout } = map.spec;
  const { key } = mapRow(map.mapKind);
  if (isPrefixKey(key)) {
    const pointer = PREFIXES[key](f, node);
    return pointer && { pointer };
  }
  if (layout && isPrimitive(layout)) {
    const value = convert(f, expression(f, node, layout), layout, node);
    return value && { pointer: filled(f, layout, value, "key", node), known: f.b.constantOf(value) };
  }
  const pointer = inMemory(f, layout!, node, "key");
  return pointer && { pointer };
}

/** An address as the longest prefix of a trie, in memory. */
const PREFIXES: Readonly<Record<PrefixKey, (f: Lowering, node: ts.Expression) => Value | undefined>> = {
  "ipv4-prefix"(f, node) {
    const span = at(f, node);
    const address = convert(f, expression(f, node, BE32), BE32, node);
    if (!address) return undefined;
    const pointer = scratch(f, 8, 4, "prefix", span);
    f.b.store(4, pointer, 0, f.b.constant("w32", 32n, span), span);
    f.b.store(4, pointer, 4, address, span);
    return pointer;
  },
  "ipv6-prefix"(f, node) {
    const address = ip6Operand(f, node);
    const place = address.kind === "place" || address.kind === "nullable" ? asPlace(f, address, node) : undefined;
    if (place && sameLayout(place.type, IP6)) return ip6Prefix(f, { place }, node);
    if (address.kind !== "error")
      fail(f, "type-mismatch", node, {
        expected: "an IPv6 address",
        found: describe(address),
        ...(address.kind === "scalar" && address.type.kind === "be" ? { help: "use an IpTrie, which takes both" } : {}),
      });
    return undefined;
  },
  "ip-prefix"(f, node) {
    const address = addressOf(f, ip6Operand(f, node), node);
    return address && ip6Prefix(f, address, node);
  },
};
const ip6Operand = (f: Lowering, node: ts.Expression): Operand =>
  buildsAggregate(f, node) ? (build(f, IP6, node, "address") ?? ERROR) : expression(f, node, IP6);

/** An IPv4 address is ::ffff:0:0/96 and itself. */
const MAPPED_WORD = 0xffff_0000n;
function ip6Prefix(f: Lowering, address: Address, node: ts.Node): Value {
  const span = at(f, node);
  const pointer = scratch(f, 20, 4, "prefix", span);
  f.b.store(4, pointer, 0, f.b.constant("w32", 128n, span), span);
  if (address.place) copyPlace(f, IP6, { base: pointer, offset: 4, align: 4 }, address.place.at, node);
  else {
    f.b.zero(pointer, 4, 8, 4, span);
    f.b.store(4, pointer, 12, f.b.constant("w32", MAPPED_WORD, span), span);
    f.b.store(4, pointer, 16, address.value, span);
  }
  return pointer;
}

/** The pointer that map_lookup_elem gives, or 0. */
export function lookupPointer(f: Lowering, map: MapEntity, key: Value, node: ts.Node): Value {
  const span = at(f, node);
  return f.b.call("map_lookup_elem", [f.b.map(map.spec.name, span), key], "pointer", span);
}

function lookup(f: Lowering, map: MapEntity, call: ts.CallExpression, asRef: boolean): Operand {
  const args = argumentsOf(f, call, `${map.spec.name}.${asRef ? "ref" : "get"}`, 1);
  if (!args) return ERROR;
  if (asRef && !isPrimitive(map.value)) return fail(f, "ref-of-struct", call, { map: map.spec.name });
  if (isArray(map)) {
    const index = expression(f, args[0]!, U32);
    const value = indexValue(f, map, index, args[0]!);
    if (!value) return ERROR;
    const span = at(f, args[0]!);
    const key = scratch(f, 4, 4, "key", span);
    f.b.store(4, key, 0, value, span);
    const { min, max } = rangeOfIndex(f, index, value);
    // A slot outside is never there, whoever knows it: the look-up says so at run time.
    const inside = min >= 0n && max < BigInt(map.spec.maxEntries);
    const pointer = lookupPointer(f, map, key, call);
    const known = f.b.constantOf(value);
    return inside && !asRef ? alwaysThere(f, map, pointer, call, known) : found(f, map, pointer, call, asRef, known);
  }
  const key = keyPointer(f, map, args[0]!);
  return key ? found(f, map, lookupPointer(f, map, key.pointer, call), call, asRef, key.known) : ERROR;
}

/** The index of an array map as a value; a written number outside of the map is an error. */
function indexValue(f: Lowering, map: MapEntity, index: Operand, node: ts.Expression): Value | undefined {
  const { name, maxEntries } = map.spec;
  if (index.kind === "literal" && index.value >= BigInt(maxEntries) && isLiteral(node))
    return void fail(f, "map-index", node, { index: `${index.value}`, map: name, maxEntries });
  return convert(f, index, U32, node);
}

function rangeOfIndex(f: Lowering, index: Operand, value: Value): Range {
  const known = f.b.constantOf(value);
  if (known !== undefined) return { min: known, max: known };
  return index.kind === "scalar" ? knownRange(f, index) : rangeOf(U32);
}

/** What a trie's key has before its data: the length of the prefix, which a node keeps elsewhere. */
const PREFIX_LENGTH = 4;
/** Values of maps begin at multiples of 8, save those of tries: in a node they follow the key's data (kernel/bpf/lpm_trie.c). */
function valueAlign({ spec, value }: MapEntity): number {
  if (spec.type !== "lpm_trie" || !spec.key) return 8;
  const data = sizeOf(spec.key) - PREFIX_LENGTH;
  return Math.min(alignOf(value), data & -data);
}

/** What lies behind a pointer that may be 0. A scalar is read at once; a struct is referred to. */
function found(
  f: Lowering,
  map: MapEntity,
  pointer: Value,
  node: ts.Node,
  asRef: boolean,
  key: bigint | undefined,
): Operand {
  const { value } = map;
  const span = at(f, node);
  const origin = { root: rootOf(map, key), from: 0 };
  if (!isPrimitive(value)) return { kind: "nullable", of: value, pointer, align: valueAlign(map), ...origin };
  if (asRef)
    return {
      kind: "nullable",
      of: value,
      pointer,
      align: Math.min(alignOf(value), valueAlign(map)),
      ref: true,
      ...origin,
    };
  const type: Type = irType(value);
  const present = { type: "w32" as const };
  const held = { type };
  const there = f.b.label();
  const missing = f.b.label();
  const done = f.b.label();
  f.b.branch("ne", pointer, f.b.null(pointer, span), there, missing, span);
  f.b.place(there);
  f.b.set(held, loadPrimitive(f, value, { base: pointer, offset: 0, align: alignOf(value) }, node).value);
  f.b.set(present, f.b.constant("w32", 1n, span));
  f.b.jump(done, span);
  f.b.place(missing);
  f.b.set(held, f.b.constant(type, 0n, span));
  f.b.set(present, f.b.constant("w32", 0n, span));
  f.b.jump(done, span);
  f.b.place(done);
  const operand: Operand = { kind: "optional", of: value, present: f.b.get(present), value: f.b.get(held) };
  f.b.forget(present);
  f.b.forget(held);
  return operand;
}

/**
 * A slot of an array map that certainly exists. The verifier wants the check all the same, so it is here; the other way
 * cannot be taken, and leaves the program.
 */
export function alwaysThere(f: Lowering, map: MapEntity, pointer: Value, node: ts.Node, key?: bigint): Operand {
  const span = at(f, node);
  const there = f.b.label();
  const never = f.b.label();
  f.b.branch("ne", pointer, f.b.null(pointer, span), there, never, span);
  f.b.place(never);
  f.b.jump(f.impossible, span);
  f.b.place(there);
  const memory = { base: pointer, offset: 0, align: valueAlign(map), root: rootOf(map, key), from: 0 };
  if (isPrimitive(map.value)) return loadPrimitive(f, map.value, memory, node);
  return { kind: "place", type: map.value, at: memory };
}

function update(f: Lowering, map: MapEntity, call: ts.CallExpression): Operand {
  const array = isArray(map);
  const args = argumentsOf(f, call, `${map.spec.name}.set`, array ? 2 : 3, array ? 0 : 1);
  if (!args) return ERROR;
  const span = at(f, call);
  const mode = args[2] ? modeOf(f, args[2]) : 0n;
  // The key is evaluated first, but stored last: evaluating the value may look something up through the same slot.
  const { key: layout } = map.spec;
  let held: Operand | undefined;
  const early = !isPrimitive(layout!)
    ? inMemory(f, layout!, args[0]!, "key", (operand) => (held = operand))
    : array
      ? indexValue(f, map, expression(f, args[0]!, layout), args[0]!)
      : convert(f, expression(f, args[0]!, layout), layout, args[0]!);
  let stored: Operand | undefined;
  const value = holding(f, held, () => inMemory(f, map.value, args[1]!, "value", (operand) => (stored = operand)));
  if (!early || !value || mode === undefined) return ERROR;
  const key = isPrimitive(layout!) ? filled(f, layout, early, "key", args[0]!) : early;
  const known = isPrimitive(layout!) ? f.b.constantOf(early) : undefined;
  changed(f, map, known, array ? undefined : "set", call, args[1]);
  if (stored) copied(f, stored, args[1]!, call, `${map.spec.name}.set()`);
  return status(
    f,
    f.b.call(
      "map_update_elem",
      [f.b.map(map.spec.name, span), key, value, f.b.constant("w64", mode, span)],
      "w64",
      span,
    ),
    call,
  );
}

/** An entry is replaced or removed: names for it stand for something else now. */
function changed(
  f: Lowering,
  map: MapEntity,
  key: bigint | undefined,
  entry: "set" | "delete" | undefined,
  call: ts.CallExpression,
  stored?: ts.Expression,
): void {
  // A store over a scalar in an array map is seen through a Ref, as it should be.
  if (!entry && isPrimitive(map.value)) return;
  const text = textOf(f, call);
  const whole = { type: map.value, root: rootOf(map, key), from: 0, text };
  replace(f, entry ? { ...whole, entry } : whole, call, stored);
}
/** What values of a map lie in. */
const rootOf = (map: MapEntity, key: bigint | undefined): Root => ({
  kind: "map",
  name: map.spec.name,
  ...(key === undefined ? {} : { key }),
});

function modeOf(f: Lowering, node: ts.Expression): bigint | undefined {
  const text = bare(node);
  if (ts.isStringLiteralLike(text) && Object.hasOwn(MODES, text.text)) return MODES[text.text];
  return void fail(f, "update-mode", node, { found: text.getText(f.file.tree).slice(0, 30) });
}

function remove(f: Lowering, map: MapEntity, call: ts.CallExpression): Operand {
  const args = argumentsOf(f, call, `${map.spec.name}.delete`, 1);
  const key = args && keyPointer(f, map, args[0]!);
  if (!key) return ERROR;
  const span = at(f, call);
  changed(f, map, key.known, "delete", call);
  return status(f, f.b.call("map_delete_elem", [f.b.map(map.spec.name, span), key.pointer], "w64", span), call);
}

// --- socket storage ----------------------------------------------------------------------------------------------

/** BPF_SK_STORAGE_GET_F_CREATE. */
const CREATE = 1n;

/** get, getOrCreate, delete: where the socket's pointer may be 0, the verifier wants to see that checked. */
function storageCall(f: Lowering, map: MapEntity, name: string, call: ts.CallExpression): Operand {
  const args = argumentsOf(f, call, `${map.spec.name}.${name}`, 1);
  const owner = args && expression(f, args[0]!);
  if (!owner || owner.kind === "error") return ERROR;
  if (owner.kind !== "context" || !roleRow(owner.role).socket) {
    return fail(f, "type-mismatch", args[0]!, {
      expected: "a connection, a session or the context",
      found: describe(owner),
    });
  }
  const span = at(f, call);
  // A view of the kernel's own struct is the socket, and is never 0.
  const itself = roleRow(owner.role).struct !== undefined;
  const socket = itself ? owner.ctx : loadField(f, owner, "sk", call);
  const there = f.b.label();
  const missing = f.b.label();
  const done = f.b.label();
  const removing = name === "delete";
  if (removing) changed(f, map, undefined, "delete", call);
  const result = { type: (removing ? "w64" : "ptr map-value") as Type };
  if (itself || fieldOf(owner, "sk").pointer === "socket") f.b.jump(there, span);
  else f.b.branch("ne", socket, f.b.null(socket, span), there, missing, span);
  f.b.place(missing);
  // -ENOENT, as the helper says when there is no storage.
  f.b.set(result, removing ? f.b.constant("w64", -2n, span) : f.b.constant("ptr map-value", 0n, span));
  f.b.jump(done, span);
  f.b.place(there);
  const storage = f.b.map(map.spec.name, span);
  if (removing) f.b.set(result, f.b.call("sk_storage_delete", [storage, socket], "w64", span));
  else {
    const flags = f.b.constant("w64", name === "getOrCreate" ? CREATE : 0n, span);
    f.b.set(
      result,
      f.b.call("sk_storage_get", [storage, socket, f.b.constant(ANY_POINTER, 0n, span), flags], "pointer", span),
    );
  }
  f.b.jump(done, span);
  f.b.place(done);
  const value = f.b.get(result);
  f.b.forget(result);
  return removing
    ? status(f, value, call)
    : {
        kind: "nullable",
        of: map.value,
        pointer: value,
        align: valueAlign(map),
        root: rootOf(map, undefined),
        from: 0,
      };
}

/** `events.output(record)`: copies a record to user space. */
function output(f: Lowering, map: MapEntity, call: ts.CallExpression): Operand {
  const args = argumentsOf(f, call, `${map.spec.name}.output`, 1);
  const record = args && inMemory(f, map.value, args[0]!, "record");
  if (!record) return ERROR;
  const span = at(f, call);
  const size = f.b.constant("w64", BigInt(sizeOf(map.value)), span);
  return status(
    f,
    f.b.call(
      "ringbuf_output",
      [f.b.map(map.spec.name, span), record, size, f.b.constant("w64", 0n, span)],
      "w64",
      span,
    ),
    call,
  );
}
