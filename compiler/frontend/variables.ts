/** Declarations of variables inside of functions. */
import { ts } from "ts-morph";
import { sizeOf } from "../layout.ts";
import { annotation } from "./annotations.ts";
import { arrayLiteralLayout, build, buildsAggregate } from "./aggregates.ts";
import { expression } from "./expressions.ts";
import { at, bare, bind, fail, type Lowering } from "./lowering.ts";
import { asPlace, copyPlace, newSlot } from "./memory.ts";
import { entityAt } from "./names.ts";
import { ERROR, type Operand } from "./operand.ts";
import { flatten, variablesFor } from "./shapes.ts";
import { isAggregate, isScalar, type Aggregate, type DslType } from "./types.ts";
import { describe, toScalar, typeOf } from "./values.ts";

const K = ts.SyntaxKind;

/** Declares the variables of a list. */
export function variables(f: Lowering, list: ts.VariableDeclarationList): void {
  for (const declaration of list.declarations) variable(f, declaration, list.flags);
}

function variable(f: Lowering, node: ts.VariableDeclaration, flags: ts.NodeFlags): void {
  if (!ts.isIdentifier(node.name)) {
    fail(f, "destructuring", node.name, undefined);
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
    // From here on it has a name, so that another variable made from it is a copy.
    return bind(f, name, {
      kind: "operand",
      operand: place ? { kind: "place", type: place.type, at: place.at } : ERROR,
      node,
      constant,
    });
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
    });
  }
  if (type.kind === "context") {
    fail(f, "context-escapes", node, { what: "the context" });
    return bind(f, name, { kind: "operand", operand: ERROR, node, constant: false });
  }
  const variables = variablesFor(type, name);
  for (const one of variables) f.b.set(one, f.b.constant(one.type, 0n, at(f, node)));
  bind(f, name, { kind: "variable", type, variables, node, constant: false });
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
  if (operand.kind === "context") {
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
  if (isAggregate(type)) return copied(f, name, node, init, operand, type, constant);
  const values = flatten(f, operand, type, init);
  if (!values) return keep(ERROR);
  if (constant && isScalar(type) && values[0]) {
    const range = operand.kind === "scalar" && operand.range ? { range: operand.range } : {};
    return keep({ kind: "scalar", type, value: values[0], ...(type.kind === "int" ? range : {}) });
  }
  if (operand.kind === "nullable" && !operand.ref && !ts.isCallExpression(bare(init)))
    return keep(copiedIfPresent(f, name, node, init, operand));
  if (constant && type.kind !== "undefined" && !declared) return keep(operand);
  const variables = variablesFor(type, name);
  values.forEach((value, index) => f.b.set(variables[index]!, value));
  bind(f, name, { kind: "variable", type, variables, node, constant });
}

/** Structs are values: a variable has a copy, unless it was given a new one. */
function copied(
  f: Lowering,
  name: string,
  node: ts.VariableDeclaration,
  init: ts.Expression,
  operand: Operand,
  type: Aggregate,
  constant: boolean,
): void {
  const place = operand.kind === "place" || operand.kind === "nullable" ? asPlace(f, operand, init) : undefined;
  const checked = place && flatten(f, place, type, init);
  const keep = (held: Operand): void => bind(f, name, { kind: "operand", operand: held, node, constant });
  if (!place || !checked) {
    if (!place)
      fail(f, "type-mismatch", init, {
        expected: describe({ kind: "place", type, at: { base: { id: 0, type: "ptr" }, offset: 0, align: 1 } }),
        found: describe(operand),
      });
    return keep(ERROR);
  }
  // A constant string is never written, and what a map's slot or a call gives is not copied.
  if (place.fresh || place.type.kind === "cstring" || isMapSlot(f, init))
    return keep({ kind: "place", type, at: place.at });
  const memory = newSlot(f, type, name, node);
  if (!memory) return keep(ERROR);
  copyPlace(f, type, memory, place.at, init);
  keep({ kind: "place", type, at: memory });
}

/** An element or field that may be missing: the variable has a copy of it, if it is there. What calls give is referred to. */
function copiedIfPresent(
  f: Lowering,
  name: string,
  node: ts.Node,
  init: ts.Expression,
  operand: Operand & { kind: "nullable" },
): Operand {
  const memory = newSlot(f, operand.of, name, node);
  const place = asPlace(f, operand, init);
  if (!memory || !place) return ERROR;
  const span = at(f, init);
  const pointer = { type: "ptr" as const, name };
  const there = f.b.label();
  const done = f.b.label();
  const none = f.b.constant("ptr", 0n, span);
  f.b.set(pointer, none);
  f.b.branch("ne", operand.pointer, none, there, done, span);
  f.b.place(there);
  copyPlace(f, place.type, memory, place.at, init);
  f.b.set(pointer, memory.base);
  f.b.jump(done, span);
  f.b.place(done);
  const copy = f.b.get(pointer);
  f.b.forget(pointer);
  return { kind: "nullable", of: operand.of, pointer: copy, align: memory.align };
}

/** `map.get(3)` of an array map refers to the slot, as every get() does. */
function isMapSlot(f: Lowering, written: ts.Expression): boolean {
  const node = bare(written);
  return (
    ts.isCallExpression(node) &&
    ts.isPropertyAccessExpression(node.expression) &&
    node.expression.name.text === "get" &&
    entityAt(f, node.expression.expression)?.kind === "map"
  );
}

/** A name whose declaration was reported: using it says nothing more. */
export function bindNothing(f: Lowering, name: ts.Identifier | undefined): void {
  if (name) bind(f, name.text, { kind: "operand", operand: ERROR, node: name, constant: false });
}
