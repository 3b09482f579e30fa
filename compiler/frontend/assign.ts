/** Assignments: `=`, `+=` and its like, `++` and `--`. */
import { ts } from "ts-morph";
import type { ArrayLayout } from "../layout.ts";
import { elementPlace, showInside, indexOf, memoryOf } from "./access.ts";
import { build, buildsAggregate, storeExpression } from "./aggregates.ts";
import { binary } from "./arithmetic.ts";
import { isLiteral } from "./constant-expressions.ts";
import {
  COPY_OF,
  IP6_LAYOUT,
  isWritable,
  loadProperty,
  storeProperty,
  type WritableProperty,
} from "./context-fields.ts";
import { assignable, propertyNamed } from "./context-properties.ts";
import { contextField, methodsOf, setReply } from "./contexts.ts";
import { testInstead, testText } from "./edits.ts";
import { memberType } from "./kernel-members.ts";
import { knowledge, refersTo, presentValue } from "./knowledge.ts";
import { at, bare, fail, lookup, type Binding, type Lowering } from "./lowering.ts";
import { asPlace, loadPrimitive, read, store, storePrimitive } from "./memory.ts";
import { spanOf } from "./module-state.ts";
import { entityAt, resolveName } from "./names.ts";
import { ERROR, originOf, type Context, type Memory, type Operand, type Place } from "./operand.ts";
import { copied, copyOf, copyText, holding, outlives, replace, textOf } from "./references.ts";
import { getCall, insteadOfPattern } from "./remedies.ts";
import { assemble, flatten } from "./shapes.ts";
import { isAggregate, isPrimitive, U8, U32, type Aggregate, type DslType, type Primitive } from "./types.ts";
import { convert, describe, knownRange } from "./values.ts";
import { entityOperand, expression } from "./visit.ts";

/** Where an assignment goes. */
type Target =
  | { readonly kind: "variable"; readonly binding: Binding & { kind: "variable" }; readonly name: string }
  | {
      readonly kind: "memory";
      readonly type: DslType;
      readonly memory: Memory;
      /** What it is part of, evaluated before the value. */
      readonly of?: Operand;
      /** A variable: in JavaScript it would stand for another struct after the assignment. */
      readonly name?: string;
    }
  | { readonly kind: "reply"; readonly context: Context }
  | {
      readonly kind: "property";
      readonly context: Context;
      readonly property: WritableProperty;
      readonly name: string;
    };

/** Evaluates the left side; reports what cannot be assigned. */
function target(f: Lowering, written: ts.Expression): Target | undefined {
  const node = bare(written);
  if (ts.isIdentifier(node)) return named(f, node);
  if (ts.isPropertyAccessExpression(node)) return member(f, node);
  if (ts.isElementAccessExpression(node)) return elementTarget(f, node);
  if (ts.isNonNullExpression(node)) {
    fail(f, "non-null-assertion", node, {
      test: testText(f.file, node.expression),
      fix: testInstead(f.file, node),
    });
    return target(f, node.expression);
  }
  if (ts.isObjectLiteralExpression(node) || ts.isArrayLiteralExpression(node)) {
    const { parent } = written;
    const value = ts.isBinaryExpression(parent) && parent.left === written ? bare(parent.right) : undefined;
    return void fail(f, "destructuring", node, { instead: insteadOfPattern(f.file, node, value) });
  }
  if (isErrorOperand(expression(f, node))) return undefined;
  const entry = getCall(f.file, node);
  return void fail(f, "not-assignable", node, {
    why: "it is not a variable, a field or an element",
    ...(entry && {
      help: `store it: ${entry.map}.set(${entry.key}, …); to change what is there: const entry = ${entry.map}.ref(${entry.key}); if (entry) entry.value = …`,
    }),
  });
}
const isErrorOperand = (operand: Operand): boolean => operand.kind === "error";

function named(f: Lowering, node: ts.Identifier): Target | undefined {
  const binding = lookup(f, node.text);
  if (binding?.constant)
    return void fail(f, "constant-assigned", node, { name: node.text, instead: insteadOfLet(f, binding, node.text) });
  if (binding?.kind === "variable") return { kind: "variable", binding, name: node.text };
  if (binding) {
    if (binding.owns && binding.operand.kind === "place")
      return { kind: "memory", type: binding.operand.type, memory: binding.operand.at, name: node.text };
    if (binding.operand.kind === "error") return undefined;
    if (binding.operand.kind === "place" || binding.operand.kind === "nullable")
      return void fail(f, "reference-assigned", node, { name: node.text, copy: copyOf(f, binding, node.text) });
    return void fail(f, "not-assignable", node, { why: `${node.text} is ${describe(binding.operand)}` });
  }
  const entity = resolveName(f.state, f.file, node.text);
  if (entity?.kind === "global") return globalTarget(f, entity, node);
  if (entity && entity.kind !== "error") fail(f, "constant-assigned", node, { name: node.text });
  return undefined;
}

/** Of a constant that a map gave: another value for the name changes nothing in the map. */
function insteadOfLet(f: Lowering, { node }: Binding, name: string): string | undefined {
  const declared = ts.isVariableDeclaration(node) ? node : node.parent;
  const init = ts.isVariableDeclaration(declared) && declared.initializer ? bare(declared.initializer) : undefined;
  const entry = init && getCall(f.file, init);
  if (entry)
    return `to change the map: ${entry.map}.set(${entry.key}, …); to change ${name} alone, declare it with let`;
  const isRef =
    init &&
    ts.isCallExpression(init) &&
    ts.isPropertyAccessExpression(init.expression) &&
    ["ref", "optval"].includes(init.expression.name.text);
  return isRef ? `it refers to what it was taken from: ${name}.value = …` : undefined;
}

function globalTarget(
  f: Lowering,
  entity: Extract<ReturnType<typeof resolveName>, { kind: "global" }>,
  node: ts.Node,
): Target | undefined {
  if (!entity.mutable) {
    return void fail(f, "read-only", node, {
      ...(entity.variable.param
        ? {
            why: `${entity.name} is a param: only the loader sets it`,
            instead: `load it with --param ${entity.name}=…, or copy it into a variable of your own: let own = ${entity.name}`,
          }
        : { why: `${entity.name} is a constant`, instead: `declare it with let ${entity.name}` }),
    });
  }
  const operand = isAggregate(entity.type) ? entityOperand(f, entity, node) : undefined;
  if (operand?.kind === "place") return { kind: "memory", type: operand.type, memory: operand.at, name: entity.name };
  return {
    kind: "memory",
    type: entity.type,
    memory: { base: f.b.global(entity.name, at(f, node)), offset: 0, align: 8 },
  };
}

function member(f: Lowering, node: ts.PropertyAccessExpression): Target | undefined {
  const record = entityAt(f, node.expression);
  if (record?.kind === "object") {
    const declared = {
      span: spanOf(f.state.project.files[record.file]!, record.node),
      text: `${record.name} is a record of constants: it has no memory`,
    };
    return void fail(f, "untyped-global", node, { name: record.name, field: node.name.text }, [declared]);
  }
  const operand = expression(f, node.expression);
  if (operand.kind === "error") return undefined;
  const name = node.name.text;
  if (operand.kind === "context") {
    if (name === "reply") return { kind: "reply", context: operand };
    const property = propertyNamed(operand, name);
    if (isWritable(property)) return { kind: "property", context: operand, property, name };
    // What it does not have at all, and what is a method, has errors of its own.
    if (!property) return void contextField(f, operand, name, node);
    const others = assignable(operand);
    return void fail(f, "read-only", node, {
      why: `${name} belongs to the kernel`,
      ...(others.length > 0
        ? { instead: `what can be assigned here: ${others.join(", ")}` }
        : methodsOf(operand.role).includes("setSockOpt")
          ? {
              instead: "what can be set goes by setSockOpt(…); to compute with it, copy it into a variable of your own",
            }
          : {}),
    });
  }
  const found = memoryOf(f, operand, name, node);
  if (found) {
    if (found.memory.readOnly) return void fail(f, "read-only", node, { why: found.memory.readOnly });
    return { kind: "memory", type: found.layout, memory: found.memory, of: operand };
  }
  const struct = operand.kind === "place" ? operand.type : operand.kind === "nullable" ? operand.of : undefined;
  if (struct?.kind === "struct")
    fail(f, "unknown-field", node.name, { name, type: struct.name, known: struct.fields.map((field) => field.name) });
  else fail(f, "no-member", node.name, { name, found: describe(operand) });
  return undefined;
}

/** `list[i] = …` needs an index inside: a constant, or one that a comparison before it bounds. */
function elementTarget(f: Lowering, node: ts.ElementAccessExpression): Target | undefined {
  const base = expression(f, node.expression);
  const place = base.kind === "error" ? undefined : asPlace(f, base, node.expression);
  const index = holding(f, place, () => expression(f, node.argumentExpression));
  if (!place) return undefined;
  if (place.type.kind !== "array") return void fail(f, "not-an-array", node, { found: describe(base) });
  if (place.at.readOnly)
    return void fail(f, "read-only", node, {
      why: place.at.readOnly,
      ...(place.at.readOnly.startsWith(COPY_OF) ? { instead: "build the whole address, and assign that" } : {}),
    });
  let scalar = indexOf(f, index, node.argumentExpression);
  if (!scalar) return undefined;
  const { length } = place.type;
  const { min, max } = knownRange(f, scalar);
  // Of a number that is only known, the proof says whether control comes here at all.
  if ((min >= BigInt(length) || max < 0n) && isLiteral(node.argumentExpression)) {
    return void fail(f, "index-range", node.argumentExpression, {
      index: min === max ? `${min}` : `${min} to ${max}`,
      length,
    });
  }
  if (min < 0n || max >= BigInt(length)) {
    const value = f.b.assumeIndex(
      scalar.value,
      length,
      node.expression.getText(f.file.tree).slice(0, 40),
      at(f, node.argumentExpression),
    );
    scalar = { ...scalar, value };
  } else showInside(f, scalar, length, node.argumentExpression);
  return {
    kind: "memory",
    type: place.type.of,
    memory: elementPlace(f, place as Place & { readonly type: ArrayLayout }, scalar, node),
    of: place,
  };
}

const storedAs = (type: DslType): Primitive | Aggregate | undefined =>
  type.kind === "bool" ? U8 : type.kind === "string" ? U32 : isPrimitive(type) || isAggregate(type) ? type : undefined;

/** The present value of a target. */
function current(f: Lowering, to: Target, node: ts.Node): Operand {
  if (to.kind === "variable") return presentValue(f, to.binding);
  if (to.kind === "reply") return fail(f, "not-in-bpf", node, { what: "reading reply", instead: "assign it once" });
  if (to.kind === "property") return loadProperty(f, to.context, to.property, node, to.name);
  const layout = storedAs(to.type);
  if (!layout) return ERROR;
  if (to.type.kind === "bool" || to.type.kind === "string")
    return { ...loadPrimitive(f, layout as Primitive, to.memory, node), type: to.type };
  return read(f, layout, to.memory, node);
}

/** Stores an operand; gives the value that the assignment has. */
function put(f: Lowering, to: Target, operand: Operand, node: ts.Node): Operand {
  if (operand.kind === "error") return ERROR;
  const held = to.kind === "variable" && to.binding.type.kind === "context";
  if (operand.kind === "context" && !held) return fail(f, "context-escapes", node, { what: describe(operand) });
  if (to.kind === "reply") return setReply(f, to.context, operand, node);
  if (to.kind === "property") return storeProperty(f, to.context, to.property, operand, node);
  if (to.kind === "variable") {
    const values = flatten(f, operand, to.binding.type, node);
    if (!values) return ERROR;
    values.forEach((value, index) => f.b.set(to.binding.variables[index]!, value));
    if (operand.kind === "nullable") to.binding.holds?.push(originOf(operand));
    else if ("at" in operand) to.binding.holds?.push(originOf(operand.at));
    refersTo(f, to.binding, operand, "assigned");
    return assemble(to.binding.type, values, knowledge(operand, to.binding.type));
  }
  const layout = storedAs(to.type);
  if (!layout || isAggregate(layout)) return ERROR;
  const value = convert(f, operand, to.type as Primitive, node);
  if (!value) return ERROR;
  storePrimitive(f, layout, to.memory, value, node);
  return { kind: "scalar", type: to.type as Primitive, value };
}

/** The type of a context's property that is assigned. */
function propertyType(f: Lowering, to: Target | undefined): DslType | undefined {
  if (to?.kind !== "property") return undefined;
  if ("member" in to.property) return memberType(f, to.context, to.property.member);
  return to.property.type === "ip6" ? IP6_LAYOUT : to.property.type;
}

export function assign(f: Lowering, node: ts.BinaryExpression): Operand {
  const to = target(f, node.left);
  const type = to?.kind === "variable" ? to.binding.type : to?.kind === "memory" ? to.type : propertyType(f, to);
  const of = to?.kind === "memory" ? to.of : undefined;
  if (to?.kind === "memory" && isAggregate(to.type)) {
    const { type: layout, memory, name } = to;
    return holding(f, of, () => assignStruct(f, node, layout, memory, name));
  }
  const address =
    to?.kind === "property" && "type" in to.property && to.property.type === "ip6" && buildsAggregate(f, node.right);
  const operand = holding(f, of, () =>
    address ? (build(f, IP6_LAYOUT, node.right, to.name) ?? ERROR) : expression(f, node.right, type),
  );
  if (to?.kind === "variable" && outlives(f, to.binding, to.name, operand, node.right)) return ERROR;
  if (to) return put(f, to, operand, node.right);
  if (operand.kind === "context") return fail(f, "context-escapes", node, { what: describe(operand) });
  return ERROR;
}

/** A struct into a field, an element, or a variable of its own: its bytes are copied there. */
function assignStruct(
  f: Lowering,
  node: ts.BinaryExpression,
  type: Aggregate,
  memory: Memory,
  name: string | undefined,
): Operand {
  const value = buildsAggregate(f, node.right) ? undefined : expression(f, node.right, type);
  if (value?.kind === "error") return ERROR;
  const place = value && asPlace(f, value, node.right);
  if (value && !place) return ERROR;
  if (name !== undefined && place && !place.fresh && type.kind !== "cstring") {
    const from = textOf(f, node.right);
    return fail(f, "reference-copied", node, { name, from, copy: copyText(type, from) });
  }
  if (place && place.at.base === memory.base && place.at.offset === memory.offset) return place; // itself
  const text = textOf(f, node.left);
  if (place) {
    replace(f, { type, ...originOf(memory), text }, node, node.right);
    store(f, type, memory, place, node.right);
    copied(f, place, node.right, node, text);
    return place;
  }
  storeExpression(f, type, memory, node.right, false, () => replace(f, { type, ...originOf(memory), text }, node));
  return { kind: "place", type, at: memory };
}

/** `x += f()` reads x first. */
export function assignCompound(f: Lowering, node: ts.BinaryExpression, token: ts.SyntaxKind): Operand {
  const to = target(f, node.left);
  const before = to ? current(f, to, node.left) : ERROR;
  const right = holding(f, to?.kind === "memory" ? to.of : undefined, () => expression(f, node.right));
  if (!to) return ERROR;
  return put(f, to, binary(f, token, before, right, node, node.left, node.right), node);
}

/** `x++` gives the value before, `++x` the value after. */
export function increment(
  f: Lowering,
  node: ts.Expression,
  operand: ts.Expression,
  up: boolean,
  gives: "before" | "after",
): Operand {
  const to = target(f, operand);
  if (!to) return ERROR;
  const before = current(f, to, operand);
  if (before.kind === "error") return ERROR;
  const wide = before.kind === "scalar" && before.type.kind === "int" && before.type.bits === 64;
  const token = up ? ts.SyntaxKind.PlusToken : ts.SyntaxKind.MinusToken;
  const after = put(f, to, binary(f, token, before, { kind: "literal", value: 1n, wide }, node, operand, node), node);
  return gives === "before" ? before : after;
}
