/** Calls: of helper functions, of what the language provides, of methods. */
import { ts } from "ts-morph";
import { receivers } from "./access.ts";
import { builtinCall } from "./builtins.ts";
import { contextCall } from "./contexts.ts";
import { invoke } from "./functions.ts";
import { fail, type Lowering } from "./lowering.ts";
import { mapCall } from "./map-calls.ts";
import { metricCall } from "./metrics.ts";
import { entityAt } from "./names.ts";
import { ERROR, type Operand } from "./operand.ts";
import type { DslType } from "./types.ts";
import { describe } from "./values.ts";
import { expression } from "./visit.ts";

export function call(f: Lowering, node: ts.CallExpression, expected?: DslType): Operand {
  if (node.expression.kind === ts.SyntaxKind.ImportKeyword)
    return fail(f, "not-in-bpf", node, { what: "import()", instead: "import at the top of the file" });
  const entity = entityAt(f, node.expression);
  if (entity?.kind === "error") return ERROR;
  if (entity?.kind === "function") {
    if (f.constantOnly) return fail(f, "not-constant", node, { what: "a call of a function" });
    return invoke(f, entity, node);
  }
  if (entity?.kind === "builtin") return builtinCall(f, entity.name, node, expected);
  if (entity)
    return fail(f, "not-a-function", node.expression, {
      name: node.expression.getText(f.file.tree).slice(0, 40),
      found: describe({ kind: "entity", entity }),
    });
  if (ts.isPropertyAccessExpression(node.expression)) return method(f, node, node.expression);
  const callee = expression(f, node.expression);
  if (callee.kind === "error") return ERROR;
  return fail(f, "not-a-function", node.expression, {
    name: node.expression.getText(f.file.tree).slice(0, 40),
    found: describe(callee),
  });
}

function method(f: Lowering, node: ts.CallExpression, callee: ts.PropertyAccessExpression): Operand {
  const name = callee.name.text;
  const map = entityAt(f, callee.expression);
  if (map?.kind === "error") return ERROR;
  if (map?.kind === "map") {
    if (f.constantOnly) return fail(f, "not-constant", node, { what: "a map access" });
    return mapCall(f, map, name, node);
  }
  if (map?.kind === "metric") {
    if (f.constantOnly) return fail(f, "not-constant", node, { what: "what is added to a metric" });
    return metricCall(f, map, name, node);
  }
  const receiver = receivers.get(callee) ?? expression(f, callee.expression);
  if (receiver.kind === "error") return ERROR;
  if (receiver.kind === "context") return contextCall(f, receiver, name, node);
  if (receiver.kind === "text" || (receiver.kind === "scalar" && receiver.type.kind === "string"))
    return fail(f, "string-built", node, undefined);
  if (receiver.kind === "place" && receiver.type.kind === "array")
    return fail(f, "array-method", node, { name, length: receiver.type.length });
  return fail(f, "no-member", callee.name, { name, found: describe(receiver) });
}
