/** The places a program can read or write at a point: variables, fields, elements. */
import type { FieldType, IntName, Place, ScalarName, Step, Struct } from "./ast.ts";
import { integerLiteral, intExpr } from "./expressions.ts";
import { pick, type Context, type Origin } from "./program.ts";

interface Candidate {
  readonly place: Place;
  readonly writable: boolean;
}

/** Elements that are there by construction: the first, the last, and those that counters name. */
function elementsOf(context: Context, length: number): Step[] {
  const counted = context.counters.filter((counter) => counter.below <= length);
  return [
    { kind: "at", index: 0 },
    { kind: "at", index: length - 1 },
    ...counted.map((counter) => ({ kind: "at-counter", counter: counter.name }) as const),
  ];
}

/** The scalars of a struct or list. */
export function scalarsIn(context: Context, type: FieldType, root: string, path: readonly Step[] = []): Place[] {
  switch (type.kind) {
    case "scalar":
      return [{ root, path, type: type.of }];
    case "struct":
      return type.of.fields.flatMap((field) =>
        scalarsIn(context, field.type, root, [...path, { kind: "field", name: field.name }]),
      );
    case "array":
      return elementsOf(context, type.length).map((step) => ({ root, path: [...path, step], type: type.of }));
    case "list":
      return elementsOf(context, type.length).flatMap((step) =>
        scalarsIn(context, { kind: "struct", of: type.of }, root, [...path, step]),
      );
  }
}

function candidates(context: Context): Candidate[] {
  return [
    ...context.variables.map(({ name, type, writable }) => ({ place: { root: name, path: [], type }, writable })),
    ...context.records.flatMap(({ name, of, writable }) =>
      scalarsIn(context, of, name).map((place) => ({ place, writable })),
    ),
    ...context.counters.map(({ name }) => ({ place: { root: name, path: [], type: "u32" as const }, writable: false })),
  ];
}

/** A place of exactly this type, or nothing. */
export function placeOf(context: Context, type: ScalarName, writable: boolean): Place | undefined {
  const all = candidates(context).filter((c) => c.place.type === type && (c.writable || !writable));
  // What was computed, or came from outside, makes better operands than what the program is about to overwrite.
  const fresh = writable ? [] : all.filter((c) => c.place.root !== "out");
  const fitting = fresh.length > 0 && context.choices.below(4) !== 3 ? fresh : all;
  return fitting.length === 0 ? undefined : pick(context.choices, fitting).place;
}

/** Any writable place; `out` guarantees that there is one in the main body. */
export function anyWritable(context: Context): Place | undefined {
  const fitting = candidates(context).filter((c) => c.writable);
  return fitting.length === 0 ? undefined : pick(context.choices, fitting).place;
}

/** A struct or list that lies somewhere. The place's type says nothing. */
export interface Whole<T extends FieldType = FieldType> {
  readonly place: Place;
  readonly type: T;
  readonly writable: boolean;
}
function wholesIn(context: Context, type: FieldType, root: string, writable: boolean, path: readonly Step[]): Whole[] {
  if (type.kind === "scalar") return [];
  const here: Whole = { place: { root, path, type: "u32" }, type, writable };
  if (type.kind === "array") return [here];
  const inner =
    type.kind === "list"
      ? elementsOf(context, type.length).map(
          (step) => [step, { kind: "struct", of: type.of } satisfies FieldType] as const,
        )
      : type.of.fields.map((field) => [{ kind: "field", name: field.name } satisfies Step, field.type] as const);
  return [here, ...inner.flatMap(([step, of]) => wholesIn(context, of, root, writable, [...path, step]))];
}
export const wholes = (context: Context): Whole[] =>
  context.records.flatMap(({ name, of, writable }) => wholesIn(context, of, name, writable, []));
const ofKind =
  <K extends FieldType["kind"]>(kind: K) =>
  (whole: Whole): whole is Whole<Extract<FieldType, { kind: K }>> =>
    whole.type.kind === kind;
export const structs = (context: Context): Whole<{ kind: "struct"; of: Struct }>[] =>
  wholes(context).filter(ofKind("struct"));
export const lists = (context: Context): Whole<{ kind: "list"; of: Struct; length: number }>[] =>
  wholes(context).filter(ofKind("list"));

export interface ArrayPlace {
  readonly place: Place;
  readonly of: IntName;
  readonly length: number;
  readonly writable: boolean;
}
export const arrays = (context: Context): ArrayPlace[] =>
  wholes(context)
    .filter(ofKind("array"))
    .map(({ place, type, writable }) => ({ place, of: type.of, length: type.length, writable }));

/** An element at a masked index, for a plain store: the mask keeps the index inside a power-of-two length. */
export function maskedElement(context: Context): Place | undefined {
  const fitting = arrays(context).filter((a) => a.writable && (a.length & (a.length - 1)) === 0);
  if (fitting.length === 0) return undefined;
  const { place, of, length } = pick(context.choices, fitting);
  const index = intExpr(context, "u32", 1);
  const safe = index.kind === "literal" ? { ...index, value: integerLiteral(context.choices, "u8") } : index;
  return { root: place.root, path: [...place.path, { kind: "at-masked", index: safe, mask: length - 1 }], type: of };
}

export const sameType = (a: FieldType, b: FieldType): boolean =>
  a.kind === "array"
    ? b.kind === "array" && a.of === b.of && a.length === b.length
    : (a.kind === "struct" || a.kind === "list") &&
      a.kind === b.kind &&
      a.of.name === b.of.name &&
      (a.kind !== "list" || a.length === (b as typeof a).length);

/** Where a place lies, whatever name it is reached by. */
export function originsOf(context: Context, { root, path }: Place): Origin[] {
  const origins = context.records.findLast((record) => record.name === root)?.origins;
  return origins?.map((origin) => ({ root: origin.root, path: [...origin.path, ...path] })) ?? [{ root, path }];
}
/** May a store over the whole of `to` replace what a name in use stands for? */
function replaces(to: Origin, used: Origin): boolean {
  if (to.root !== used.root || to.path.length > used.path.length) return false;
  return to.path.every((step, i) => {
    const other = used.path[i]!;
    if (step.kind === "field") return other.kind === "field" && other.name === step.name;
    return step.kind !== "at" || other.kind !== "at" || step.index === other.index;
  });
}

/** Two struct places of one type, for a copy. */
export function structPair(context: Context): { readonly to: Place; readonly from: Place } | undefined {
  const all = structs(context);
  // The compiler refuses to replace what a name in use stands for; that it always does is checked by a few programs.
  const bold = context.choices.below(16) === 15;
  const free = (to: Place): boolean =>
    bold ||
    !originsOf(context, to).some(
      (one) => context.borrowed.includes(one.root) || context.referred.some((used) => replaces(one, used)),
    );
  // A local or global is a constant binding in TypeScript, so that only a field or element can be assigned to.
  const pairs = all
    .filter((to) => to.writable && to.place.path.length > 0 && free(to.place))
    .flatMap((to) => all.filter((from) => sameType(from.type, to.type)).map((from) => ({ to, from })));
  if (pairs.length === 0) return undefined;
  const { to, from } = pick(context.choices, pairs);
  return { to: to.place, from: from.place };
}
