/** The layout of a payload that is written as an object literal: its fields have the types of their values. */
import { ts } from "ts-morph";
import { structLayout, type Layout, type StructLayout } from "../layout.ts";
import { propertyValue } from "./aggregates.ts";
import { constantContext } from "./declare.ts";
import { bare, fail, type Lowering } from "./lowering.ts";
import { entityAt } from "./names.ts";
import { isPrimitive } from "./types.ts";
import { describe, typeOf } from "./values.ts";
import { expression } from "./visit.ts";

/** Undefined, with a report, where a value does not say how wide it is. */
export function layoutOfLiteral(f: Lowering, written: ts.Expression): StructLayout | undefined {
  const node = bare(written);
  if (ts.isNewExpression(node)) {
    const entity = entityAt(f, node.expression);
    return entity?.kind === "struct" ? entity.layout : undefined;
  }
  if (!ts.isObjectLiteralExpression(node)) return void fail(f, "untyped-object", written, undefined);
  const fields: { name: string; layout: Layout }[] = [];
  for (const property of node.properties) {
    const found = propertyValue(f, property);
    if (!found) return undefined;
    // Evaluated for its type alone, in a function that is never emitted.
    const operand = expression(
      { ...constantContext(f.state, f.file), scope: f.scope, constantOnly: false },
      found.value,
    );
    const type = operand.kind === "literal" ? undefined : typeOf(operand);
    if (!type || !isPrimitive(type)) {
      if (operand.kind !== "error")
        fail(f, "payload-width", found.value, { name: found.name, found: describe(operand) });
      return undefined;
    }
    fields.push({ name: found.name, layout: type });
  }
  return structLayout("payload", fields, false);
}
