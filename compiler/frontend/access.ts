/** `a.b`, `a[i]` and `a?.b`: fields, elements, and what the context has. */
import { ts } from "ts-morph";
import { ACK_FLAGS, ACK_PENDING, CA_EVENTS, CA_STATES, ECN_FLAGS } from "../bpf/congestion-names.ts";
import { OPTION_NAMES } from "../bpf/option-names.ts";
import { SOCK_OPS_CALLBACKS, SOCK_OPS_EVENTS } from "../bpf/kinds/sock-ops.ts";
import { sizeOf, type ArrayLayout, type Layout } from "../layout.ts";
import type { Value } from "../ir/ir.ts";
import { isLiteral } from "./constant-expressions.ts";
import { contextField } from "./contexts.ts";
import { at, fail, silent, type Lowering } from "./lowering.ts";
import { mapMethods } from "./map-calls.ts";
import { asPlace, inside, read } from "./memory.ts";
import { entityAt, memberOf } from "./names.ts";
import { holding } from "./references.ts";
import { alignAt, ERROR, type Memory, type Operand, type Place, type Scalar } from "./operand.ts";
import { isPrimitive, type DslType } from "./types.ts";
import { constantOf, describe, knownRange, toScalar } from "./values.ts";
import { join } from "./shapes.ts";
import { entityOperand, expression, link } from "./visit.ts";

const ENUMS: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  ...OPTION_NAMES,
  CaState: CA_STATES,
  CaEvent: CA_EVENTS,
  AckFlag: ACK_FLAGS,
  EcnFlag: ECN_FLAGS,
  AckPending: ACK_PENDING,
  Op: Object.fromEntries(Object.entries(SOCK_OPS_EVENTS).map(([name, event]) => [name, event.op])),
  Callback: {
    None: 0,
    ...Object.fromEntries(Object.entries(SOCK_OPS_CALLBACKS).map(([name, flag]) => [name, flag.bit])),
  },
};

/** `a.b`. */
export function property(f: Lowering, node: ts.PropertyAccessExpression): Operand {
  const name = node.name.text;
  const entity = entityAt(f, node.expression);
  if (entity?.kind === "builtin") {
    const members = Object.hasOwn(ENUMS, entity.name) ? ENUMS[entity.name] : undefined;
    if (members && Object.hasOwn(members, name)) return { kind: "literal", value: BigInt(members[name]!), wide: false };
    return silent(f, node); // the type checker lists what there is
  }
  if (entity?.kind === "error") return ERROR;
  if (entity?.kind === "namespace" || entity?.kind === "file" || entity?.kind === "object") {
    const member = memberOf(f.state, entity, name);
    return member ? entityOperand(f, member, node) : silent(f, node);
  }
  return propertyOf(f, expression(f, node.expression), name, node);
}

/** A member of an evaluated operand. */
export function propertyOf(f: Lowering, operand: Operand, name: string, node: ts.PropertyAccessExpression): Operand {
  if (operand.kind === "error") return ERROR;
  const found = memoryOf(f, operand, name, node);
  if (found) return read(f, found.layout, found.memory, node, name);
  if (operand.kind === "place" && operand.type.kind === "array" && name === "length")
    return { kind: "literal", value: BigInt(operand.type.length), wide: false };
  if (operand.kind === "nullable" && operand.of.kind === "array" && name === "length")
    return { kind: "literal", value: BigInt(operand.of.length), wide: false };
  if (operand.kind === "context") return contextField(f, operand, name, node);
  if (operand.kind === "entity" && operand.entity.kind === "map" && name === "length")
    return { kind: "literal", value: BigInt(operand.entity.spec.maxEntries), wide: false };
  if (operand.kind === "place" && operand.type.kind === "struct") {
    return fail(f, "unknown-field", node.name, {
      name,
      type: operand.type.name,
      known: operand.type.fields.map((field) => field.name),
    });
  }
  if (operand.kind === "nullable" && operand.of.kind === "struct") {
    return fail(f, "unknown-field", node.name, {
      name,
      type: operand.of.name,
      known: operand.of.fields.map((field) => field.name),
    });
  }
  if (operand.kind === "entity" && operand.entity.kind === "map" && mapMethods(operand.entity.mapKind).includes(name))
    return fail(f, "method-as-value", node.name, { name, found: operand.entity.mapKind });
  if (operand.kind === "entity" && operand.entity.kind === "map")
    return fail(f, "map-method", node.name, {
      name,
      kind: operand.entity.mapKind,
      known: mapMethods(operand.entity.mapKind),
    });
  if (operand.kind === "entity" && operand.entity.kind === "metric")
    return fail(f, "metric-method", node.name, { metric: operand.entity.map.spec.name, name });
  return fail(f, "no-member", node.name, { name, found: describe(operand) });
}

/** The place of a field, or of what a Ref refers to. */
export function memoryOf(
  f: Lowering,
  operand: Operand,
  name: string,
  node: ts.Node,
): { layout: Layout; memory: Memory } | undefined {
  if (operand.kind === "ref" && name === "value") return { layout: operand.of, memory: operand.at };
  if (operand.kind === "nullable" && operand.ref && name === "value")
    return { layout: operand.of, memory: { base: operand.pointer, offset: 0, align: operand.align } };
  const place =
    operand.kind === "place"
      ? operand
      : operand.kind === "nullable" && !isPrimitive(operand.of)
        ? asPlace(f, operand, node)
        : undefined;
  if (place?.type.kind !== "struct") return undefined;
  const field = place.type.fields.find((one) => one.name === name);
  return field && { layout: field.layout, memory: inside(place.at, field.offset) };
}

/** `list[i]`: free of checks where the index is certainly below the length, else T | undefined. */
export function element(f: Lowering, node: ts.ElementAccessExpression): Operand {
  const entity = entityAt(f, node.expression);
  if (entity && entity.kind !== "global" && entity.kind !== "constant") {
    if (entity.kind === "error") return ERROR;
    return fail(f, "not-in-bpf", node, { what: "[…] on this", instead: "use a name with a dot" });
  }
  return elementOf(f, expression(f, node.expression), node);
}

function elementOf(f: Lowering, base: Operand, node: ts.ElementAccessExpression): Operand {
  const place = base.kind === "error" ? undefined : asPlace(f, base, node.expression);
  if (!place) return ERROR;
  const index = holding(f, place, () => expression(f, node.argumentExpression));
  if (place.type.kind !== "array") {
    if (place.type.kind === "struct" && index.kind === "text") {
      const field = place.type.fields.find((one) => one.name === index.text);
      if (field) return read(f, field.layout, inside(place.at, field.offset), node);
    }
    return fail(f, "not-an-array", node, { found: describe(base) });
  }
  const scalar = indexOf(f, index, node.argumentExpression);
  if (!scalar) return ERROR;
  const list = place as Place & { readonly type: ArrayLayout };
  const { min, max } = knownRange(f, scalar);
  if (min >= 0n && max < BigInt(list.type.length)) {
    showInside(f, scalar, list.type.length, node);
    return read(f, list.type.of, elementPlace(f, list, scalar, node), node);
  }
  if ((min >= BigInt(list.type.length) || max < 0n) && isLiteral(node.argumentExpression)) {
    return fail(f, "index-range", node.argumentExpression, {
      index: min === max ? `${min}` : `${min} to ${max}`,
      length: list.type.length,
    });
  }
  return checkedElement(f, list, scalar, node);
}

/** An index as an integer; reports anything else. */
export function indexOf(f: Lowering, index: Operand, node: ts.Node): Scalar | undefined {
  if (index.kind === "error") return undefined;
  if (index.kind === "literal" && index.value < 0n)
    return void fail(f, "index-range", node, { index: `${index.value}`, length: undefined });
  const scalar = toScalar(f, index, node);
  if (!scalar) return undefined;
  if (scalar.type.kind === "int") return scalar;
  return void fail(f, "type-mismatch", node, { expected: "an integer index", found: describe(index) });
}

/**
 * We know the index to be inside, but the kernel's verifier may not: it forgets what quotients and remainders can be. The
 * passes drop the comparison again where it sees as much as we do (a mask, the turn of an unrolled loop).
 */
export function showInside(f: Lowering, index: Scalar, length: number, node: ts.Node): void {
  if (constantOf(f, index) !== undefined) return;
  const span = at(f, node);
  const inside = f.b.label();
  f.b.branch("ult", index.value, f.b.constant(index.value.type, BigInt(length), span), inside, f.impossible, span);
  f.b.place(inside);
}

/** The place of an element whose index is known to be inside. */
export function elementPlace(
  f: Lowering,
  list: Place & { readonly type: ArrayLayout },
  index: Scalar,
  node: ts.Node,
): Memory {
  const size = sizeOf(list.type.of);
  const known = constantOf(f, index);
  if (known !== undefined) return inside(list.at, Number(known) * size);
  const span = at(f, node);
  let wide: Value = index.value;
  if (wide.type !== "w64") wide = f.b.unary("zext", wide, span);
  const scaled = size === 1 ? wide : f.b.binary("mul", wide, f.b.constant("w64", BigInt(size), span), span);
  const most = (list.type.length - 1) * size;
  // Which element it is, and so how far from the root, is not known here.
  const { from: _, ...rest } = list.at;
  return { ...rest, base: f.b.ptradd(list.at.base, scaled, span, most), align: alignAt(list.at.align, size) };
}

/** An element that may not be there: the comparison is emitted here. */
function checkedElement(
  f: Lowering,
  list: Place & { readonly type: ArrayLayout },
  index: Scalar,
  node: ts.Node,
): Operand {
  const span = at(f, node);
  const there = f.b.label();
  const missing = f.b.label();
  const length = f.b.constant(index.value.type, BigInt(list.type.length), span);
  f.b.branch("ult", index.value, length, there, missing, span);
  f.b.place(there);
  const found = read(f, list.type.of, elementPlace(f, list, index, node), node);
  const thereEnd = f.b.label();
  f.b.jump(thereEnd, span);
  f.b.place(missing);
  const missingEnd = f.b.label();
  f.b.jump(missingEnd, span);
  return join(
    f,
    [
      { label: thereEnd, operand: found, node },
      { label: missingEnd, operand: { kind: "undefined" }, node },
    ],
    node,
  );
}

// --- optional chains ---------------------------------------------------------------------------------------------

type Link = ts.PropertyAccessExpression | ts.ElementAccessExpression | ts.CallExpression;

/** `a?.b.c`: undefined when `a` is, without evaluating the rest. */
export function optionalChain(f: Lowering, node: Link, expected?: DslType): Operand {
  const missing = f.b.label();
  const found = chainLink(f, node, missing, expected);
  const span = at(f, node);
  const there = f.b.label();
  f.b.jump(there, span);
  f.b.place(missing);
  const missingEnd = f.b.label();
  f.b.jump(missingEnd, span);
  if (found.kind === "undefined") {
    const done = f.b.label();
    for (const label of [there, missingEnd]) {
      f.b.place(label);
      f.b.jump(done, span);
    }
    f.b.place(done);
    return found;
  }
  return join(
    f,
    [
      { label: there, operand: found, node },
      { label: missingEnd, operand: { kind: "undefined" }, node },
    ],
    node,
    expected,
  );
}

/** Calls in a chain find their receiver here instead of evaluating it again. */
export const receivers = new WeakMap<ts.Node, Operand>();

function chainLink(f: Lowering, node: Link, missing: ReturnType<Lowering["b"]["label"]>, expected?: DslType): Operand {
  const base = node.expression;
  const continues =
    (base.flags & ts.NodeFlags.OptionalChain) !== 0 &&
    (ts.isPropertyAccessExpression(base) || ts.isElementAccessExpression(base) || ts.isCallExpression(base));
  if (ts.isCallExpression(node)) {
    const callee = node.expression;
    if (!ts.isPropertyAccessExpression(callee)) return link(f, node, expected);
    const receiver = chainReceiver(f, callee, missing);
    receivers.set(callee, receiver);
    const result = link(f, node, expected);
    receivers.delete(callee);
    return result;
  }
  const operand = continues ? chainLink(f, base, missing) : expression(f, base);
  const present = node.questionDotToken ? unlessMissing(f, operand, missing, node) : operand;
  if (ts.isPropertyAccessExpression(node)) return propertyOf(f, present, node.name.text, node);
  return elementOf(f, present, node);
}

/** The receiver of a method call in a chain. */
function chainReceiver(
  f: Lowering,
  callee: ts.PropertyAccessExpression,
  missing: ReturnType<Lowering["b"]["label"]>,
): Operand {
  const base = callee.expression;
  const continues =
    (base.flags & ts.NodeFlags.OptionalChain) !== 0 &&
    (ts.isPropertyAccessExpression(base) || ts.isElementAccessExpression(base) || ts.isCallExpression(base));
  const operand = continues ? chainLink(f, base, missing) : expression(f, base);
  return callee.questionDotToken ? unlessMissing(f, operand, missing, callee) : operand;
}

/** The pointer of an operand that is undefined where that is 0; undefined for one that is decided otherwise. */
export const pointerIn = (operand: Operand): Value | undefined =>
  operand.kind === "nullable"
    ? operand.pointer
    : operand.kind === "context" && operand.nullable
      ? operand.ctx
      : undefined;

/** Leaves for `missing` when the operand is undefined; gives what it is otherwise. */
export function unlessMissing(
  f: Lowering,
  operand: Operand,
  missing: ReturnType<Lowering["b"]["label"]>,
  node: ts.Node,
): Operand {
  const span = at(f, node);
  const there = f.b.label();
  const pointer = pointerIn(operand);
  if (pointer) {
    f.b.branch("ne", pointer, f.b.null(pointer, span), there, missing, span);
  } else if (operand.kind === "optional") {
    f.b.branch("ne", operand.present, f.b.constant("w32", 0n, span), there, missing, span);
  } else if (operand.kind === "undefined") {
    f.b.jump(missing, span);
  } else return operand;
  f.b.place(there);
  if (operand.kind === "context") {
    const { nullable: _, ...present } = operand;
    return present;
  }
  if (operand.kind === "optional")
    return {
      kind: "scalar",
      type: operand.of,
      value: operand.value,
      ...(operand.range ? { range: operand.range } : {}),
    };
  return operand;
}
