/** Loads and stores of the language's types, with accesses split where the address is not aligned for them. */
import type { ts } from "ts-morph";
import type { AccessBytes } from "../bpf/opcodes.ts";
import type { Value } from "../ir/ir.ts";
import { alignOf, type Layout, sameLayout, sizeOf } from "../layout.ts";
import { at, fail, type Lowering } from "./lowering.ts";
import { originOf, placeAlign, type Memory, type Operand, type Place, type Scalar } from "./operand.ts";
import { bytesOf, irType, isPrimitive, rangeOf, typeName, type Aggregate, type Primitive } from "./types.ts";
import { loopsAround } from "./uses.ts";
import { convert, describe } from "./values.ts";

/** A place inside a place. */
export const inside = (memory: Memory, offset: number): Memory => ({
  ...memory,
  ...(memory.from === undefined ? {} : { from: memory.from + offset }),
  offset: memory.offset + offset,
});

/** What lies at a place: the value of a primitive, the place of anything larger. */
export function read(f: Lowering, layout: Layout, memory: Memory, node: ts.Node, name?: string): Operand {
  if (isPrimitive(layout)) return loadPrimitive(f, layout, memory, node, name);
  return { kind: "place", type: layout, at: memory };
}

export function loadPrimitive(f: Lowering, type: Primitive, memory: Memory, node: ts.Node, name?: string): Scalar {
  const bytes = bytesOf(type);
  const value =
    placeAlign(memory) >= bytes
      ? f.b.load(irType(type), bytes, memory.base, memory.offset, at(f, node), name)
      : loadInParts(f, type, bytes, memory, node);
  return { kind: "scalar", type, value, ...(type.kind === "int" ? { range: rangeOf(type) } : {}) };
}

function loadInParts(f: Lowering, type: Primitive, bytes: number, memory: Memory, node: ts.Node): Value {
  const span = at(f, node);
  const width = irType(type);
  const step = Math.max(1, Math.min(placeAlign(memory), bytes)) as AccessBytes;
  let whole: Value | undefined;
  for (let offset = 0; offset < bytes; offset += step) {
    let part = f.b.load(step === 8 ? "w64" : "w32", step, memory.base, memory.offset + offset, span);
    if (width === "w64" && step !== 8) part = f.b.unary("zext", part, span);
    if (offset > 0) part = f.b.binary("shl", part, f.b.constant(width, BigInt(8 * offset), span), span);
    whole = whole ? f.b.binary("or", whole, part, span) : part;
  }
  return whole!;
}

export function storePrimitive(f: Lowering, type: Primitive, memory: Memory, value: Value, node: ts.Node): void {
  const bytes = bytesOf(type);
  const span = at(f, node);
  if (placeAlign(memory) >= bytes) return f.b.store(bytes, memory.base, memory.offset, value, span);
  const width = irType(type);
  const step = Math.max(1, Math.min(placeAlign(memory), bytes)) as AccessBytes;
  for (let offset = 0; offset < bytes; offset += step) {
    let part = offset === 0 ? value : f.b.binary("lshr", value, f.b.constant(width, BigInt(8 * offset), span), span);
    if (width === "w64" && step !== 8) part = f.b.unary("trunc", part, span);
    f.b.store(step, memory.base, memory.offset + offset, part, span);
  }
}

/** Copies a struct, array or string. */
export function copyPlace(f: Lowering, type: Aggregate, to: Memory, from: Memory, node: ts.Node): void {
  const align = Math.min(to.align, from.align, 8);
  f.b.copy(to.base, to.offset, from.base, from.offset, sizeOf(type), align, at(f, node));
}

/** The place behind an operand that refers to an aggregate; unwraps what the type checker has found to be present. */
export function asPlace(f: Lowering, operand: Operand, node: ts.Node): Place | undefined {
  if (operand.kind === "place") return operand;
  if (operand.kind === "nullable" && !isPrimitive(operand.of)) {
    const { pointer, align, readOnly } = operand;
    return {
      kind: "place",
      type: operand.of,
      at: { base: pointer, offset: 0, align, ...originOf(operand), ...(readOnly ? { readOnly } : {}) },
    };
  }
  if (operand.kind === "error") return undefined;
  const isMap = operand.kind === "entity" && operand.entity.kind === "map";
  const map = node.getText(f.file.tree).slice(0, 40);
  fail(f, "not-a-struct", node, {
    found: describe(operand),
    ...(isMap ? { help: `read with ${map}.get(key), write with ${map}.set(key, value)` } : {}),
  });
  return undefined;
}

/** Stores an evaluated operand; reports what does not go there. */
export function store(f: Lowering, layout: Layout, memory: Memory, operand: Operand, node: ts.Node): void {
  if (isPrimitive(layout)) {
    const value = convert(f, operand, layout, node);
    if (value) storePrimitive(f, layout, memory, value, node);
    return;
  }
  if (operand.kind === "error") return;
  const place = operand.kind === "place" || operand.kind === "nullable" ? asPlace(f, operand, node) : undefined;
  if (!place || !sameLayout(place.type, layout)) {
    fail(f, "type-mismatch", node, { expected: typeName(layout), found: describe(operand) });
    return;
  }
  copyPlace(f, layout, memory, place.at, node);
}

/** A layout as the type of a field is written. */
const fieldText = (layout: Layout): string =>
  layout.kind === "array" ? `array(${fieldText(layout.of)}, ${layout.length})` : typeName(layout);

/** A new stack slot for a value of this layout. */
export function newSlot(f: Lowering, layout: Layout, name: string, node: ts.Node): Memory | undefined {
  const size = sizeOf(layout);
  const limit = f.state.kernel.maxStack;
  if (size > limit) {
    fail(f, "stack-variable", node, { name, type: fieldText(layout), size, limit });
    return undefined;
  }
  const align = Math.max(alignOf(layout), 1);
  return ownMemory(f.b.slot(size, align, name, at(f, node)), 0, align, node);
}

/** Memory in a stack variable that is made at `node`; `align` is the variable's. */
export const ownMemory = (slot: Value, offset: number, align: number, node: ts.Node): Memory => ({
  base: slot,
  offset,
  align,
  root: { kind: "slot", slot },
  from: offset,
  turns: loopsAround(node),
});
