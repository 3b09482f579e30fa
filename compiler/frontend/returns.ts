/** What functions give back: `return`, and the type that follows from it. */
import type { ts } from "ts-morph";
import type { Type, Value } from "../ir/ir.ts";
import { at, fail, leaveAll, type Lowering } from "./lowering.ts";
import { originOf, placeAlign, sameRoot, UNDEFINED, type Given, type Operand } from "./operand.ts";
import { flatten, irTypes } from "./shapes.ts";
import { irType, isScalar, type DslType } from "./types.ts";
import { pointerOf } from "./roles.ts";
import { describe, typeOf } from "./values.ts";
import { expression } from "./visit.ts";

/** As what a value of the type is returned; undefined: nothing is. */
export function returnedAs(type: DslType): Type | undefined {
  if (type.kind === "optional" && isScalar(type.of)) return "w64";
  return irTypes(type)[0];
}

/** `return value` in a function. */
export function returnValue(
  f: Lowering,
  node: ts.ReturnStatement | ts.Expression,
  value: ts.Expression | undefined,
): void {
  const { returns } = f;
  const span = at(f, node);
  const give = (result: Value | undefined): void => {
    leaveAll(f, span);
    f.b.return(result, span);
  };
  const operand = value ? expression(f, value, returns.type) : UNDEFINED;
  if (operand.kind === "error") {
    // The type stays unknown; the function goes on being looked at.
    returns.type ??= { kind: "undefined" };
    const ir = returnedAs(returns.type);
    return give(ir === undefined ? undefined : f.b.constant(ir, 0n, span));
  }
  if ((operand.kind === "context" && !pointerOf(operand.role)) || operand.kind === "entity") {
    fail(f, operand.kind === "context" ? "context-escapes" : "not-a-value", value ?? node, {
      what: describe(operand),
      found: describe(operand),
    });
    return give(undefined);
  }
  returns.type ??= inferReturn(operand);
  const { type } = returns;
  if (type.kind === "undefined" && operand.kind !== "undefined" && !returns.annotated) {
    fail(f, "return-types", value ?? node, { found: describe(operand) });
    return give(undefined);
  }
  const values = flatten(f, operand, type, value ?? node);
  returns.given = bothGiven(returns.given, operand);
  const ir = returnedAs(type);
  if (!values || ir === undefined) return give(ir === undefined ? undefined : f.b.constant(ir, 0n, span));
  if (type.kind === "optional" && isScalar(type.of)) {
    if (irType(type.of) === "w64") {
      fail(f, "return-wide-optional", value ?? node, undefined);
      return give(f.b.constant("w64", 0n, span));
    }
    const high = f.b.binary("shl", f.b.unary("zext", values[0]!, span), f.b.constant("w64", 32n, span), span);
    return give(f.b.binary("or", high, f.b.unary("zext", values[1]!, span), span));
  }
  give(values[0]);
}

/** What the caller must know of the references that a function gives back. */
function bothGiven(before: Given | undefined, operand: Operand): Given | undefined {
  if (operand.kind !== "place" && operand.kind !== "nullable") return before;
  const memory = operand.kind === "place" ? operand.at : operand;
  const { readOnly } = memory;
  const align = operand.kind === "place" ? placeAlign(operand.at) : operand.align;
  // A variable of the function's own is nobody else's after it.
  const fresh = operand.kind === "place" && (operand.fresh === true || memory.root?.kind === "slot");
  const given: Given = { align, ...(readOnly ? { readOnly } : {}), ...originOf(memory), fresh };
  if (!before) return given;
  const same = before.root && given.root && sameRoot(before.root, given.root);
  return {
    align: Math.min(before.align, align),
    ...((before.readOnly ?? readOnly) ? { readOnly: before.readOnly ?? readOnly } : {}),
    ...(same ? { root: before.root } : {}),
    ...(same && before.from !== undefined && before.from === given.from ? { from: given.from } : {}),
    ...(before.turns !== undefined || given.turns !== undefined ? { turns: 0 } : {}),
    fresh: before.fresh && fresh,
  };
}

/** The type of a function without annotation, from its first `return`. */
function inferReturn(operand: Operand): DslType {
  switch (operand.kind) {
    case "literal":
      return { kind: "int", bits: operand.wide ? 64 : 32, signed: operand.value < 0n };
    case "scalar":
      return operand.type;
    case "place":
      return operand.type;
    case "nullable":
      return operand.ref
        ? { kind: "optional", of: operand.of as never, ref: true }
        : { kind: "optional", of: operand.of };
    case "optional":
      return { kind: "optional", of: operand.of };
    case "ref":
      return { kind: "ref", of: operand.of };
    case "context":
      return typeOf(operand)!;
    default:
      return { kind: "undefined" };
  }
}
