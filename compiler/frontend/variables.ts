/** Declarations of variables inside of functions. */
import { ts } from "ts-morph";
import { sameLayout, sizeOf } from "../layout.ts";
import { annotation } from "./annotations.ts";
import { arrayLiteralLayout, build, buildsAggregate } from "./aggregates.ts";
import { refersTo } from "./knowledge.ts";
import { at, bare, bind, fail, pointerTo, type Lowering } from "./lowering.ts";
import { asPlace, newSlot } from "./memory.ts";
import { entityAt } from "./names.ts";
import { ERROR, originOf, type Operand, type Origin } from "./operand.ts";
import { pointerOf } from "./roles.ts";
import { flatten, variablesFor } from "./shapes.ts";
import { isAggregate, isScalar, typeName, type Aggregate, type DslType } from "./types.ts";
import { describe, hostAddressHelp, toScalar, typeOf } from "./values.ts";
import { expression } from "./visit.ts";
import { insteadOfPattern } from "./remedies.ts";

const K = ts.SyntaxKind;

/** Declares the variables of a list. */
export function variables(f: Lowering, list: ts.VariableDeclarationList): void {
  for (const declaration of list.declarations) variable(f, declaration, list.flags);
}

function variable(f: Lowering, node: ts.VariableDeclaration, flags: ts.NodeFlags): void {
  if (!ts.isIdentifier(node.name)) {
    fail(f, "destructuring", node.name, { instead: insteadOfPattern(f.file, node.name, node.initializer) });
    for (const element of node.name.elements)
      if (ts.isBindingElement(element) && ts.isIdentifier(element.name)) bindNothing(f, element.name);
    if (node.initializer) expression(f, node.initializer);
    return;
  }
  if (!(flags & ts.NodeFlags.BlockScoped)) fail(f, "var", node, { name: node.name.text });
  const constant = (flags & ts.NodeFlags.Const) !== 0;
  const name = node.name.text;
  // `const s: string = …`: the texts that it can be are known from its value.
  const plainString = node.type?.kind === K.StringKeyword;
  const declared = node.type && !plainString ? annotation(f, node.type) : undefined;
  const failed = node.type && !plainString && !declared;
  if (node.exclamationToken)
    fail(f, "definite-assignment", node, { name, type: node.type?.getText(f.file.tree).slice(0, 30) ?? "u32" });
  if (!node.initializer) {
    if (!declared) {
      if (!failed) fail(f, "needs-initial", node, { name });
      return bindNothing(f, node.name);
    }
    return uninitialised(f, node, name, declared);
  }
  const init = bare(node.initializer);
  if ((ts.isArrowFunction(init) || ts.isFunctionExpression(init)) && !declared) {
    fail(f, "closure", init, undefined);
    return bindNothing(f, node.name);
  }
  const layout = aggregateOf(f, init, declared);
  if (layout) {
    const place = build(f, layout, init, name);
    // From here on it has a name.
    const operand: Operand = place ? { kind: "place", type: place.type, at: place.at } : ERROR;
    return bind(f, name, { kind: "operand", operand, node, constant, owns: true });
  }
  const operand = expression(f, init, declared);
  if (failed) return bindNothing(f, node.name);
  bindValue(f, name, node, init, operand, declared, constant);
}

/** The layout that an initialiser builds directly into the variable's slot. */
function aggregateOf(f: Lowering, init: ts.Expression, declared: DslType | undefined): Aggregate | undefined {
  if (!buildsAggregate(f, init)) return undefined;
  if (declared && isAggregate(declared)) return declared;
  if (declared) return undefined;
  if (ts.isArrayLiteralExpression(init)) return arrayLiteralLayout(f, init);
  const entity = ts.isNewExpression(init) ? entityAt(f, init.expression) : undefined;
  return entity?.kind === "struct" ? entity.layout : undefined;
}

function uninitialised(f: Lowering, node: ts.VariableDeclaration, name: string, type: DslType): void {
  if (isAggregate(type)) {
    const memory = newSlot(f, type, name, node);
    if (memory) f.b.zero(memory.base, 0, sizeOf(type), memory.align, at(f, node));
    return bind(f, name, {
      kind: "operand",
      operand: memory ? { kind: "place", type, at: memory } : ERROR,
      node,
      constant: false,
      owns: true,
    });
  }
  if (type.kind === "context" && !(type.nullable && pointerOf(type.role))) {
    fail(f, "context-escapes", node, { what: "the context" });
    return bind(f, name, { kind: "operand", operand: ERROR, node, constant: false });
  }
  const variables = variablesFor(type, name);
  for (const one of variables) f.b.set(one, f.b.constant(one.type, 0n, at(f, node)));
  bind(f, name, { kind: "variable", type, variables, node, constant: false, holds: [] });
}

function bindValue(
  f: Lowering,
  name: string,
  node: ts.VariableDeclaration,
  init: ts.Expression,
  operand: Operand,
  declared: DslType | undefined,
  constant: boolean,
): void {
  const keep = (held: Operand): void => bind(f, name, { kind: "operand", operand: held, node, constant });
  if (operand.kind === "error") return keep(ERROR);
  const isStruct = operand.kind === "context" && pointerOf(operand.role) !== undefined;
  if (operand.kind === "context" && (constant || !isStruct)) {
    if (constant) return keep(operand);
    fail(f, "context-escapes", init, { what: describe(operand) });
    return keep(ERROR);
  }
  if (operand.kind === "entity") {
    if (constant && operand.entity.kind === "map") return keep(operand);
    fail(f, "not-a-value", init, { found: describe(operand) });
    return keep(ERROR);
  }
  // A constant literal stays a literal, which fits whatever stands beside it.
  if (constant && !declared && (operand.kind === "literal" || operand.kind === "text" || operand.kind === "undefined"))
    return keep(operand);
  const type = declared ?? (operand.kind === "text" ? toScalar(f, operand, init)?.type : typeOf(operand));
  if (!type) return keep(ERROR);
  if (isAggregate(type)) return struct(f, name, node, init, operand, type, constant);
  const values = flatten(f, operand, type, init);
  if (!values) return keep(ERROR);
  if (constant && isScalar(type) && values[0]) {
    const range = operand.kind === "scalar" && operand.range ? { range: operand.range } : {};
    return keep({ kind: "scalar", type, value: values[0], ...(type.kind === "int" ? range : {}) });
  }
  if (constant && type.kind !== "undefined" && !declared) return keep(operand);
  const variables = variablesFor(type, name);
  values.forEach((value, index) => f.b.set(variables[index]!, value));
  const binding = { kind: "variable", type, variables, node, constant, holds: holds(operand) } as const;
  refersTo(f, binding, operand, "declared");
  bind(f, name, binding);
}
/** What a variable that gets this operand refers to. */
const holds = (operand: Operand): Origin[] =>
  operand.kind === "nullable" ? [originOf(operand)] : "at" in operand ? [originOf(operand.at)] : [];

/** A name for a struct: the one that was made for it, or one that lies somewhere. Only `new S(…)` makes or copies one. */
function struct(
  f: Lowering,
  name: string,
  node: ts.VariableDeclaration,
  init: ts.Expression,
  operand: Operand,
  type: Aggregate,
  constant: boolean,
): void {
  const place = operand.kind === "place" || operand.kind === "nullable" ? asPlace(f, operand, init) : undefined;
  const bindPlace = (held: Operand, owns?: true): void =>
    bind(f, name, { kind: "operand", operand: held, node, constant, ...(owns ? { owns } : {}) });
  if (!place || !sameLayout(place.type, type)) {
    if (operand.kind !== "error")
      fail(f, "type-mismatch", init, {
        expected: typeName(type),
        found: describe(operand),
        ...hostAddressHelp(type, operand),
      });
    return bindPlace(ERROR);
  }
  // Strings are never written in part: a variable of one stands for another after an assignment.
  if (type.kind === "cstring" && !constant) {
    const variables = variablesFor(type, name);
    f.b.set(variables[0]!, pointerTo(f, place, at(f, init)));
    return bind(f, name, { kind: "variable", type, variables, node, constant, holds: [originOf(place.at)] });
  }
  bindPlace({ kind: "place", type, at: place.at }, place.fresh);
}

/** A name whose declaration was reported: using it says nothing more. */
export function bindNothing(f: Lowering, name: ts.Identifier | undefined): void {
  if (name) bind(f, name.text, { kind: "operand", operand: ERROR, node: name, constant: false });
}
