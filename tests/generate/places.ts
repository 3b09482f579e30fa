/** The places a program can read or write at a point: variables, fields, elements. */
import type { IntName, Place, ScalarName, Step, Struct } from "./ast.ts";
import { integerLiteral, intExpr } from "./expressions.ts";
import { pick, type Context } from "./program.ts";

interface Candidate {
  readonly place: Place;
  readonly writable: boolean;
}

function fieldsOf(context: Context, struct: Struct, path: readonly Step[], root: string): Place[] {
  return struct.fields.flatMap(({ name, type }): Place[] => {
    const here: readonly Step[] = [...path, { kind: "field", name }];
    switch (type.kind) {
      case "scalar":
        return [{ root, path: here, type: type.of }];
      case "struct":
        return fieldsOf(context, type.of, here, root);
      case "array": {
        const at: Step[] = [
          { kind: "at", index: 0 },
          { kind: "at", index: type.length - 1 },
        ];
        for (const counter of context.counters) {
          if (counter.below <= type.length) at.push({ kind: "at-counter", counter: counter.name });
        }
        return at.map((step) => ({ root, path: [...here, step], type: type.of }));
      }
    }
  });
}

function candidates(context: Context): Candidate[] {
  return [
    ...context.variables.map(({ name, type, writable }) => ({ place: { root: name, path: [], type }, writable })),
    ...context.records.flatMap(({ name, struct, writable }) =>
      fieldsOf(context, struct, [], name).map((place) => ({ place, writable })),
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

export interface ArrayPlace {
  readonly place: Place;
  readonly of: IntName;
  readonly length: number;
  readonly writable: boolean;
}

function arraysOf(struct: Struct, path: readonly Step[], root: string, writable: boolean): ArrayPlace[] {
  return struct.fields.flatMap(({ name, type }): ArrayPlace[] => {
    const here: readonly Step[] = [...path, { kind: "field", name }];
    if (type.kind === "array") {
      return [{ place: { root, path: here, type: type.of }, of: type.of, length: type.length, writable }];
    }
    return type.kind === "struct" ? arraysOf(type.of, here, root, writable) : [];
  });
}

export function arrays(context: Context): ArrayPlace[] {
  return context.records.flatMap(({ name, struct, writable }) => arraysOf(struct, [], name, writable));
}

/** An element at a masked index, for a plain store: the mask keeps the index inside a power-of-two length. */
export function maskedElement(context: Context): Place | undefined {
  const fitting = arrays(context).filter((a) => a.writable && (a.length & (a.length - 1)) === 0);
  if (fitting.length === 0) return undefined;
  const { place, of, length } = pick(context.choices, fitting);
  const index = intExpr(context, "u32", 1);
  const safe = index.kind === "literal" ? { ...index, value: integerLiteral(context.choices, "u8") } : index;
  return { root: place.root, path: [...place.path, { kind: "at-masked", index: safe, mask: length - 1 }], type: of };
}

/** Two struct places of one type, for a copy. */
export function structPair(context: Context): { readonly to: Place; readonly from: Place } | undefined {
  const all = context.records.flatMap((r) =>
    structsOf(r.struct, [], r.name).map((s) => ({ ...s, writable: r.writable })),
  );
  // A local or global is a constant binding in TypeScript, so that only a field can be assigned to.
  const pairs = all
    .filter((to) => to.writable && to.place.path.length > 0)
    .flatMap((to) => all.filter((from) => from.struct.name === to.struct.name).map((from) => ({ to, from })));
  if (pairs.length === 0) return undefined;
  const { to, from } = pick(context.choices, pairs);
  return { to: to.place, from: from.place };
}

function structsOf(struct: Struct, path: readonly Step[], root: string): { struct: Struct; place: Place }[] {
  const inner = struct.fields.flatMap(({ name, type }) =>
    type.kind === "struct" ? structsOf(type.of, [...path, { kind: "field", name } as const], root) : [],
  );
  return [{ struct, place: { root, path, type: "u32" } }, ...inner];
}
