/** How a value of a type travels in IR values: through variables, joins, parameters and results. */
import type { ts } from "ts-morph";
import type { Variable } from "../ir/build.ts";
import type { Type, Value } from "../ir/ir.ts";
import { ANY_POINTER, contextType } from "../ir/types.ts";
import { alignOf, sameLayout } from "../layout.ts";
import { at, fail, pointerTo, type Lowering } from "./lowering.ts";
import { asPlace } from "./memory.ts";
import { originOf, placeAlign, sameRoot, UNDEFINED, type Operand, type Origin } from "./operand.ts";
import {
  BOOL,
  I32,
  irType,
  isAggregate,
  isPrimitive,
  isScalar,
  rangeOf,
  typeName,
  U32,
  within,
  type DslType,
  type Range,
  type StringType,
} from "./types.ts";
import { pointerOf, roleRow } from "./roles.ts";
import { convert, describe, hostAddressHelp, knownRange, literalType, stringType, typeOf } from "./values.ts";

/** The IR types that a value of this type takes. */
export function irTypes(type: DslType): Type[] {
  if (isScalar(type)) return [irType(type)];
  if (type.kind === "optional") return type.ref || isAggregate(type.of) ? [ANY_POINTER] : ["w32", irType(type.of)];
  if (type.kind === "undefined") return [];
  if (type.kind === "context") {
    const pointer = pointerOf(type.role);
    if (pointer !== undefined) return [pointer];
    const context = contextType(roleRow(type.role).kind);
    return type.role === "option" ? [context, ANY_POINTER] : [context];
  }
  return [ANY_POINTER];
}

/** The IR values of an operand as this type; reports and gives undefined when it is not of the type. */
export function flatten(f: Lowering, operand: Operand, type: DslType, node: ts.Node): Value[] | undefined {
  if (operand.kind === "error") return undefined;
  const span = at(f, node);
  if (isScalar(type)) {
    const value = convert(f, operand, type, node);
    return value && [value];
  }
  const mismatch = (): undefined =>
    void fail(f, "type-mismatch", node, {
      expected: typeName(type),
      found: describe(operand),
      ...hostAddressHelp(type, operand),
    });
  switch (type.kind) {
    case "undefined":
      return operand.kind === "undefined" ? [] : mismatch();
    case "ref":
      if (operand.kind === "ref" && sameLayout(operand.of, type.of)) return [pointerTo(f, operand, span)];
      if (operand.kind === "nullable" && operand.ref && sameLayout(operand.of, type.of)) return [operand.pointer];
      return mismatch();
    case "optional": {
      if (type.ref || isAggregate(type.of)) {
        if (operand.kind === "undefined") return [f.b.constant(ANY_POINTER, 0n, span)];
        if (
          operand.kind === "nullable" &&
          Boolean(operand.ref) === Boolean(type.ref) &&
          isLayout(type.of) &&
          sameLayout(operand.of, type.of)
        )
          return [operand.pointer];
        if (operand.kind === "ref" && type.ref) return [pointerTo(f, operand, span)];
        if (operand.kind === "place" && isLayout(type.of) && sameLayout(operand.type, type.of))
          return [pointerTo(f, operand, span)];
        return mismatch();
      }
      if (operand.kind === "undefined") return [f.b.constant("w32", 0n, span), f.b.constant(irType(type.of), 0n, span)];
      const value = convert(f, operand, type.of, node);
      if (!value) return undefined;
      return [operand.kind === "optional" ? operand.present : f.b.constant("w32", 1n, span), value];
    }
    case "context": {
      const pointer = pointerOf(type.role);
      if (pointer === undefined) return mismatch();
      if (operand.kind === "undefined" && type.nullable) return [f.b.constant(pointer, 0n, span)];
      return operand.kind === "context" && operand.role === type.role ? [operand.ctx] : mismatch();
    }
    default: {
      if (operand.kind !== "place" && operand.kind !== "nullable") return mismatch();
      const place = asPlace(f, operand, node);
      return place && (sameLayout(place.type, type) ? [pointerTo(f, place, span)] : mismatch());
    }
  }
}
const isLayout = (type: DslType): type is Extract<DslType, { kind: "int" | "be" | "struct" | "array" | "cstring" }> =>
  isPrimitive(type) || isAggregate(type);

export interface Knowledge extends Origin {
  readonly range?: Range | undefined;
  /** Alignment of the pointer, where it is not the type's own. */
  readonly align?: number | undefined;
  readonly readOnly?: string | undefined;
}

/** The inverse of flatten. */
export function assemble(type: DslType, values: readonly Value[], known: Knowledge = {}): Operand {
  const [first, second] = values;
  if (type.kind === "undefined" || !first) return UNDEFINED;
  const range = known.range ? { range: known.range } : {};
  const more = { ...originOf(known), ...(known.readOnly ? { readOnly: known.readOnly } : {}) };
  if (isScalar(type))
    return {
      kind: "scalar",
      type,
      value: first,
      ...(type.kind === "int" ? { range: known.range ?? rangeOf(type) } : {}),
    };
  switch (type.kind) {
    case "optional": {
      if (isAggregate(type.of))
        return { kind: "nullable", of: type.of, pointer: first, align: known.align ?? alignOf(type.of), ...more };
      if (type.ref && isPrimitive(type.of))
        return {
          kind: "nullable",
          of: type.of,
          pointer: first,
          align: type.of.bits / 8,
          ref: true,
          ...originOf(known),
        };
      return { kind: "optional", of: type.of as never, present: first, value: second ?? first, ...range };
    }
    case "ref":
      return { kind: "ref", of: type.of, at: { base: first, offset: 0, align: type.of.bits / 8 } };
    case "context":
      return {
        kind: "context",
        role: type.role,
        ctx: first,
        ...(type.state ? { state: type.state } : {}),
        ...(type.nullable ? { nullable: true } : {}),
      };
    default:
      return { kind: "place", type, at: { base: first, offset: 0, align: known.align ?? alignOf(type), ...more } };
  }
}

/** A type that both operands have; undefined when there is none. `expected` decides between literals. */
export function commonType(f: Lowering, a: Operand, b: Operand, expected?: DslType): DslType | undefined {
  if (a.kind === "undefined" && b.kind === "undefined") return { kind: "undefined" };
  if (a.kind === "undefined" || b.kind === "undefined") {
    const of = typeOf(a.kind === "undefined" ? b : a);
    if (!of)
      return a.kind === "text" || b.kind === "text" ? optional(textType(f, a.kind === "text" ? a : b)) : undefined;
    return optional(of);
  }
  if (a.kind === "optional" || b.kind === "optional") {
    const strip = (operand: Operand): Operand =>
      operand.kind === "optional" ? { kind: "scalar", type: operand.of, value: operand.value } : operand;
    const of = commonType(f, strip(a), strip(b), expected);
    return of && optional(of);
  }
  if (a.kind === "literal" && b.kind === "literal") {
    if (a.wide !== b.wide) return undefined;
    if (expected?.kind === "int" && (expected.bits === 64) === a.wide) return expected;
    return literalType(a.value < b.value ? a.value : b.value, a.wide);
  }
  if (a.kind === "literal" || b.kind === "literal") {
    const [lit, other] = a.kind === "literal" ? [a, b] : [b, a];
    const type = typeOf(other);
    if (lit.kind !== "literal" || type?.kind !== "int" || (type.bits === 64) !== lit.wide) return undefined;
    if (within({ min: lit.value, max: lit.value }, rangeOf(type))) return type;
    return type.bits < 32 ? (lit.value < 0n ? I32 : U32) : type;
  }
  const texts = [a, b].map((operand) => (operand.kind === "text" ? textType(f, operand) : typeOf(operand)));
  const [x, y] = texts;
  if (!x || !y) return undefined;
  if (x.kind === "string" && y.kind === "string") return mergeStrings(x, y, expected);
  if (x.kind === "int" && y.kind === "int") {
    if (sameLayout(x, y)) return x;
    if ((x.bits === 64) !== (y.bits === 64)) return undefined;
    if (x.bits < 32 && y.bits < 32) return x.bits > y.bits ? x : y;
    if (x.bits < 32) return y;
    if (y.bits < 32) return x;
    return undefined;
  }
  if (x.kind === "bool" && y.kind === "bool") return BOOL;
  if (x.kind === "context" && y.kind === "context")
    return x.role === y.role && pointerOf(x.role) !== undefined ? (x.nullable ? x : y) : undefined;
  if (isLayout(x) && isLayout(y)) return sameLayout(x, y) ? x : undefined;
  if (x.kind === "optional" || y.kind === "optional") {
    const of = x.kind === "optional" ? x : (y as Extract<DslType, { kind: "optional" }>);
    const other = x.kind === "optional" ? y : x;
    const inner = other.kind === "optional" ? other.of : other;
    return isLayout(of.of) && isLayout(inner) && sameLayout(of.of, inner) ? of : undefined;
  }
  if (x.kind === "ref" && y.kind === "ref") return sameLayout(x.of, y.of) ? x : undefined;
  return undefined;
}
const optional = (of: DslType): DslType | undefined =>
  isScalar(of) || isAggregate(of)
    ? { kind: "optional", of }
    : of.kind === "optional"
      ? of
      : of.kind === "ref"
        ? { kind: "optional", of: of.of, ref: true }
        : of.kind === "context" && pointerOf(of.role) !== undefined
          ? { ...of, nullable: true }
          : undefined;
const textType = (f: Lowering, operand: Operand): StringType =>
  stringType(f, operand.kind === "text" ? [operand.text] : []);

function mergeStrings(a: StringType, b: StringType, expected: DslType | undefined): StringType | undefined {
  const all = new Map(a.codes);
  for (const [text, code] of b.codes) {
    if ((all.get(text) ?? code) !== code) return undefined;
    all.set(text, code);
  }
  const merged: StringType = { kind: "string", codes: all };
  if (new Set(all.values()).size !== all.size) return undefined;
  return expected?.kind === "string" && [...all].every(([text, code]) => expected.codes.get(text) === code)
    ? expected
    : merged;
}

/** What is known of a value that is one of two. */
export function bothKnown(f: Lowering, a: Operand, b: Operand): Knowledge {
  const range = (operand: Operand): Range | undefined =>
    operand.kind === "literal"
      ? { min: operand.value, max: operand.value }
      : operand.kind === "scalar" && operand.type.kind === "int"
        ? knownRange(f, operand)
        : undefined;
  const [x, y] = [range(a), range(b)];
  const align = (operand: Operand): number | undefined =>
    operand.kind === "place" ? placeAlign(operand.at) : operand.kind === "nullable" ? operand.align : undefined;
  const readOnly = (operand: Operand): string | undefined =>
    operand.kind === "place" ? operand.at.readOnly : operand.kind === "nullable" ? operand.readOnly : undefined;
  const origins = [a, b].flatMap((operand): Origin[] =>
    operand.kind === "place" ? [operand.at] : operand.kind === "nullable" ? [operand] : [],
  );
  const [m, n] = origins;
  const same = m?.root && (origins.length === 1 || (n?.root && sameRoot(m.root, n.root)));
  const turns = origins.flatMap((one) => one.turns ?? []);
  const aligns = [align(a), align(b)].filter((one) => one !== undefined);
  return {
    range: x && y ? { min: x.min < y.min ? x.min : y.min, max: x.max > y.max ? x.max : y.max } : undefined,
    align: aligns.length > 0 ? Math.min(...aligns) : undefined,
    readOnly: readOnly(a) ?? readOnly(b),
    ...(same && m.root ? { root: m.root } : {}),
    ...(same && m.from !== undefined && (origins.length === 1 || m.from === n?.from) ? { from: m.from } : {}),
    ...(turns.length > 0 ? { turns: Math.max(...turns) } : {}),
  };
}

/** Fresh IR variables for a value of this type. */
export const variablesFor = (type: DslType, name?: string): Variable[] =>
  irTypes(type).map((one) => (name === undefined ? { type: one } : { type: one, name }));

/**
 * Joins two paths that each have a value: `first` and `second` are labels at which the values are valid; code goes on after the join.
 */
export function join(
  f: Lowering,
  arms: readonly {
    readonly label: ReturnType<Lowering["b"]["label"]>;
    readonly operand: Operand;
    readonly node: ts.Node;
  }[],
  node: ts.Node,
  expected?: DslType,
): Operand {
  const [a, b] = arms.map((arm) => arm.operand) as [Operand, Operand];
  const failed = a.kind === "error" || b.kind === "error";
  const type = failed ? undefined : commonType(f, a, b, expected);
  if (!failed && !type) fail(f, "arms-differ", node, { left: describe(a), right: describe(b) });
  const variables = type ? variablesFor(type) : [];
  const done = f.b.label();
  for (const arm of arms) {
    f.b.place(arm.label);
    const values = type && flatten(f, arm.operand, type, arm.node);
    values?.forEach((value, index) => f.b.set(variables[index]!, value));
    f.b.jump(done, at(f, arm.node));
  }
  f.b.place(done);
  if (!type) return { kind: "error" };
  const values = variables.map((variable) => f.b.get(variable));
  variables.forEach((variable) => f.b.forget(variable));
  return assemble(type, values, bothKnown(f, a, b));
}
