/** Object literals, array literals, `new S(…)` and `cstr(…)`: evaluated left to right, then stored field by field. */
import { ts } from "ts-morph";
import { sizeOf, type ArrayLayout, type Layout, type StructLayout } from "../layout.ts";
import { entityAt } from "./names.ts";
import { at, bare, fail, type Lowering } from "./lowering.ts";
import { inside, newSlot, store } from "./memory.ts";
import type { Memory, Operand, Place } from "./operand.ts";
import { copied, textOf } from "./references.ts";
import { hasPadding, isPrimitive, typeName, U32, U64, type Aggregate } from "./types.ts";
import { cstringBytes } from "./strings.ts";
import { expression } from "./visit.ts";

/** One evaluated part of an aggregate. */
interface Leaf {
  readonly offset: number;
  readonly layout: Layout;
  readonly operand: Operand;
  readonly node: ts.Expression;
}
interface Parts {
  readonly leaves: Leaf[];
  /** Bytes that a leaf covers. */
  covered: number;
}

/** Is this an expression that builds a new aggregate? */
export const buildsAggregate = (f: Lowering, written: ts.Expression): boolean => {
  const node = bare(written);
  if (ts.isObjectLiteralExpression(node) || ts.isArrayLiteralExpression(node)) return true;
  if (ts.isNewExpression(node)) return entityAt(f, node.expression)?.kind === "struct";
  return false;
};

/**
 * Evaluates `written` and stores it at `memory`, which holds a `layout`. `fresh`: nothing else refers to that memory yet.
 * `evaluated` is called between the two.
 */
export function storeExpression(
  f: Lowering,
  layout: Layout,
  memory: Memory,
  written: ts.Expression,
  fresh: boolean,
  evaluated?: () => void,
): void {
  if (isPrimitive(layout) || !buildsAggregate(f, written)) {
    const operand = expression(f, written, layout);
    evaluated?.();
    return store(f, layout, memory, operand, written);
  }
  const parts: Parts = { leaves: [], covered: 0 };
  const before = f.held.length;
  collect(f, layout, written, 0, parts);
  f.held.length = before;
  evaluated?.();
  const aliased =
    !fresh &&
    parts.leaves.some(
      ({ operand }) => operand.kind === "nullable" || (operand.kind === "place" && operand.fresh !== true),
    );
  if (aliased) {
    const temporary = newSlot(f, layout, "temporary", written);
    if (!temporary) return;
    storeParts(f, layout, temporary, parts, written);
    return store(f, layout, memory, { kind: "place", type: layout, at: temporary, fresh: true }, written);
  }
  storeParts(f, layout, memory, parts, written);
}

function storeParts(f: Lowering, layout: Aggregate, memory: Memory, parts: Parts, node: ts.Node): void {
  if (parts.covered < sizeOf(layout) || hasPadding(layout))
    f.b.zero(memory.base, memory.offset, sizeOf(layout), memory.align, at(f, node));
  for (const leaf of parts.leaves) {
    store(f, leaf.layout, inside(memory, leaf.offset), leaf.operand, leaf.node);
    const said = ts.isNewExpression(leaf.node.parent);
    if (!isPrimitive(leaf.layout) && !said) copied(f, leaf.operand, leaf.node, node, textOf(f, node));
  }
}

/** Builds an aggregate in a slot of its own. */
export function build(f: Lowering, layout: Aggregate, written: ts.Expression, name: string): Place | undefined {
  const memory = newSlot(f, layout, name, written);
  if (!memory) return undefined;
  storeExpression(f, layout, memory, written, true);
  return { kind: "place", type: layout, at: memory, fresh: true };
}

function collect(f: Lowering, layout: Layout, written: ts.Expression, offset: number, parts: Parts): void {
  const node = bare(written);
  if (layout.kind === "struct" && ts.isObjectLiteralExpression(node))
    return collectObject(f, layout, node, offset, parts);
  if (layout.kind === "struct" && ts.isNewExpression(node)) {
    const entity = entityAt(f, node.expression);
    if (entity?.kind === "struct") return collectNew(f, layout, entity.layout, node, offset, parts);
  }
  if (layout.kind === "array" && ts.isArrayLiteralExpression(node)) return collectArray(f, layout, node, offset, parts);
  if (!isPrimitive(layout) && (ts.isObjectLiteralExpression(node) || ts.isArrayLiteralExpression(node))) {
    return void fail(f, "type-mismatch", node, {
      expected: typeName(layout),
      found: ts.isArrayLiteralExpression(node) ? "a list" : "a record",
    });
  }
  const operand = expression(f, node, layout);
  // It is copied when all of the literal is evaluated.
  f.held.push(operand);
  parts.covered += sizeOf(layout);
  parts.leaves.push({ offset, layout, operand, node });
}

function collectNew(
  f: Lowering,
  layout: StructLayout,
  made: StructLayout,
  node: ts.NewExpression,
  offset: number,
  parts: Parts,
): void {
  if (made !== layout && !(made.size === layout.size && made.fields.length === layout.fields.length)) {
    return void fail(f, "type-mismatch", node, { expected: layout.name, found: made.name });
  }
  const [init, extra] = node.arguments ?? [];
  if (extra)
    return void fail(f, "argument-count", extra, { what: `new ${made.name}`, expected: "one record of fields" });
  if (!init) return;
  const record = bare(init);
  if (ts.isObjectLiteralExpression(record)) return collectObject(f, layout, record, offset, parts);
  // A copy of another one.
  collect(f, layout, record, offset, parts);
}

function collectObject(
  f: Lowering,
  layout: StructLayout,
  node: ts.ObjectLiteralExpression,
  offset: number,
  parts: Parts,
): void {
  for (const property of node.properties) {
    const value = propertyValue(f, property);
    if (!value) continue;
    const field = layout.fields.find((one) => one.name === value.name);
    if (!field)
      fail(f, "unknown-field", property, {
        name: value.name,
        type: layout.name,
        known: layout.fields.map((one) => one.name),
      });
    else collect(f, field.layout, value.value, offset + field.offset, parts);
  }
}

/** Name and value of a property of an object literal; reports the forms that the language has not got. */
export function propertyValue(
  f: Lowering,
  property: ts.ObjectLiteralElementLike,
): { name: string; value: ts.Expression } | undefined {
  if (ts.isShorthandPropertyAssignment(property)) return { name: property.name.text, value: property.name };
  if (ts.isPropertyAssignment(property) && (ts.isIdentifier(property.name) || ts.isStringLiteral(property.name))) {
    return { name: property.name.text, value: property.initializer };
  }
  if (ts.isSpreadAssignment(property)) fail(f, "spread", property, { of: "record" });
  else fail(f, "not-in-bpf", property, { what: "this kind of property", instead: "write name: value" });
  return undefined;
}

function collectArray(
  f: Lowering,
  layout: ArrayLayout,
  node: ts.ArrayLiteralExpression,
  offset: number,
  parts: Parts,
): void {
  if (node.elements.length !== layout.length) {
    return void fail(f, "array-length", node, { expected: layout.length, found: node.elements.length });
  }
  const size = sizeOf(layout.of);
  node.elements.forEach((element, index) => {
    if (ts.isSpreadElement(element)) fail(f, "spread", element, { of: "list" });
    else if (!ts.isOmittedExpression(element)) collect(f, layout.of, element, offset + index * size, parts);
  });
}

/** The layout of an array literal that stands on its own: `[1, 2, 3]` holds u32. */
export function arrayLiteralLayout(f: Lowering, node: ts.ArrayLiteralExpression): ArrayLayout | undefined {
  const [first] = node.elements;
  if (!first) return void fail(f, "empty-array", node, undefined);
  const element = bare(first);
  if (ts.isNewExpression(element)) {
    const entity = entityAt(f, element.expression);
    if (entity?.kind === "struct") return { kind: "array", of: entity.layout, length: node.elements.length };
  }
  if (ts.isObjectLiteralExpression(element)) return void fail(f, "untyped-object", element, undefined);
  return { kind: "array", of: ts.isBigIntLiteral(element) ? U64 : U32, length: node.elements.length };
}

/** The bytes of `cstr("…", n)` as a place in read-only data. */
export function stringPlace(f: Lowering, text: string, size: number, node: ts.Node): Place | undefined {
  const memory = cstringBytes(f, text, size, node);
  return memory && { kind: "place", type: { kind: "cstring", size }, at: memory };
}
