/** Constant expressions to the bytes they have in memory: initial values of maps, params and globals. */
import { ts } from "ts-morph";
import { type Layout, sameLayout, sizeOf } from "../layout.ts";
import { propertyValue } from "./aggregates.ts";
import { bare, fail, type Lowering } from "./lowering.ts";
import { entityAt } from "./names.ts";
import type { Memory } from "./operand.ts";
import { paddedBytes, utf8 } from "./strings.ts";
import { irType, isPrimitive, isScalar, typeName, type DslType, type ScalarType } from "./types.ts";
import { convert, describe } from "./values.ts";
import { expression } from "./visit.ts";

/** The bytes of a constant of this type; reports and gives undefined when it is not constant or does not fit. */
export function encode(f: Lowering, type: DslType, node: ts.Expression): Uint8Array | undefined {
  if (isScalar(type)) return encodeScalar(f, type, node);
  if (type.kind !== "struct" && type.kind !== "array" && type.kind !== "cstring") {
    return void fail(f, "global-type", node, { found: typeName(type) });
  }
  const bytes = new Uint8Array(sizeOf(type));
  return encodeInto(f, type, node, bytes) ? bytes : undefined;
}

function encodeScalar(f: Lowering, type: ScalarType, node: ts.Expression): Uint8Array | undefined {
  const operand = expression(f, node, type);
  const value = convert(f, operand, type, node);
  if (!value) return undefined;
  const bits = f.b.constantOf(value);
  // A value that was found not to be constant has been through a run-time instruction.
  if (bits === undefined) return void fail(f, "not-constant", node, { what: "an initial value" });
  const size = isPrimitive(type) ? type.bits / 8 : type.kind === "bool" ? 1 : irType(type) === "w64" ? 8 : 4;
  return littleEndian(bits, size);
}

const littleEndian = (bits: bigint, size: number): Uint8Array =>
  Uint8Array.from({ length: size }, (_, i) => Number((bits >> BigInt(8 * i)) & 0xffn));

function encodeInto(f: Lowering, layout: Layout, written: ts.Expression, into: Uint8Array): boolean {
  const node = bare(written);
  if (isPrimitive(layout)) {
    const bytes = encodeScalar(f, layout, node);
    if (bytes) into.set(bytes);
    return bytes !== undefined;
  }
  if (layout.kind === "struct" && ts.isObjectLiteralExpression(node)) return encodeFields(f, layout, node, into);
  if (layout.kind === "struct" && ts.isNewExpression(node)) {
    const entity = entityAt(f, node.expression);
    if (entity?.kind === "struct" && sameLayout(entity.layout, layout)) {
      const init = node.arguments?.[0] && bare(node.arguments[0]);
      if (!init) return true;
      if (ts.isObjectLiteralExpression(init)) return encodeFields(f, layout, init, into);
    }
  }
  if (layout.kind === "array" && ts.isArrayLiteralExpression(node)) {
    if (node.elements.length !== layout.length) {
      fail(f, "array-length", node, { expected: layout.length, found: node.elements.length });
      return false;
    }
    const size = sizeOf(layout.of);
    return node.elements
      .map((element, i) => encodeInto(f, layout.of, element, into.subarray(i * size, (i + 1) * size)))
      .every(Boolean);
  }
  return encodeNamed(f, layout, node, into);
}

function encodeFields(
  f: Lowering,
  layout: Layout & { kind: "struct" },
  node: ts.ObjectLiteralExpression,
  into: Uint8Array,
): boolean {
  let good = true;
  for (const property of node.properties) {
    const found = propertyValue(f, property);
    if (!found) {
      good = false;
      continue;
    }
    const field = layout.fields.find((one) => one.name === found.name);
    if (!field) {
      fail(f, "unknown-field", property, {
        name: found.name,
        type: layout.name,
        known: layout.fields.map((one) => one.name),
      });
      good = false;
    } else if (
      !encodeInto(f, field.layout, found.value, into.subarray(field.offset, field.offset + sizeOf(field.layout)))
    )
      good = false;
  }
  return good;
}

/** A string constant, or a name of read-only data. */
function encodeNamed(f: Lowering, layout: Layout, node: ts.Expression, into: Uint8Array): boolean {
  if (layout.kind === "cstring" && ts.isCallExpression(node)) {
    const entity = entityAt(f, node.expression);
    const text = node.arguments[0] && bare(node.arguments[0]);
    if (entity?.kind === "builtin" && entity.name === "cstr" && text && ts.isStringLiteralLike(text)) {
      const place = expression(f, node);
      if (place.kind === "error") return false;
      const bytes =
        place.kind === "place" && sameLayout(place.type, layout) ? paddedBytes(text.text, layout.size) : undefined;
      if (bytes) into.set(bytes);
      else fail(f, "string-too-long", node, { text: text.text, bytes: utf8(text.text).length, size: layout.size });
      return bytes !== undefined;
    }
  }
  const entity = entityAt(f, node);
  if (
    entity?.kind === "global" &&
    !entity.mutable &&
    !entity.variable.param &&
    sameLayout(entity.variable.layout, layout)
  ) {
    into.set(entity.variable.init);
    return true;
  }
  const operand = expression(f, node);
  if (operand.kind === "place" && sameLayout(operand.type, layout)) {
    const known = constantAt(f, operand.at, sizeOf(layout));
    if (known) {
      into.set(known);
      return true;
    }
    fail(f, "not-constant", node, { what: "an initial value" });
  } else if (operand.kind !== "error")
    fail(f, "type-mismatch", node, { expected: typeName(layout), found: describe(operand) });
  return false;
}

/** Bytes of a constant that lies in read-only data: a string, an address, a part of a struct. */
function constantAt(f: Lowering, { base, offset }: Memory, bytes: number): Uint8Array | undefined {
  const variable = f.state.globals.find((one) => one.name === base.name && one.section === ".rodata" && !one.param);
  return variable?.init.slice(offset, offset + bytes);
}
