/**
 * Makes well-typed programs of the language from a list of choices. Choice 0 is the simplest form everywhere, and an
 * exhausted list answers 0, so that shorter lists and smaller numbers give simpler programs.
 */
import type { Choices } from "./choices.ts";
import {
  type Constant,
  type Field,
  type FieldType,
  type Func,
  type Global,
  type IntName,
  INTS,
  type MapDecl,
  type Param,
  type Place,
  type Program,
  type ScalarName,
  type Step,
  type Stmt,
  type Struct,
} from "./ast.ts";
import { constantValue } from "./evaluate.ts";
import { constantExpr, integerLiteral, intExpr, scalarExpr } from "./expressions.ts";
import { structs as wholesOf } from "./places.ts";
import { prune } from "./prune.ts";
import { block, newStruct } from "./statements.ts";

/** What a place in the program can see. Scopes are immutable; `fuel` bounds the size of the compiled program. */
export interface Context {
  readonly choices: Choices;
  readonly variables: readonly Variable[];
  readonly records: readonly Record_[];
  /** What names in scope stand for. */
  readonly referred: readonly Origin[];
  /** Range counters, with the number they stay below. */
  readonly counters: readonly { readonly name: string; readonly below: number }[];
  /** `gives`: where the struct lies that it gives back, if it does; a root that is no parameter is the function's own, or a global. */
  readonly functions: readonly { readonly func: Func; readonly cost: number; readonly gives?: Origin }[];
  readonly maps: readonly MapDecl[];
  readonly structs: readonly Struct[];
  /** Enclosing loops, innermost last; a switch between a loop and here hides the loop from an unlabelled break. */
  readonly loops: readonly { readonly label: string; readonly kind: "loop" | "switch" }[];
  /** In a loop that assigns a variable which refers to structs. */
  readonly walking?: boolean;
  /** Turns of all enclosing loops multiplied: what one more node costs after unrolling. */
  readonly turns: number;
  readonly returns: ScalarName | undefined;
  /** Parameters that stand for structs of whoever calls. */
  readonly borrowed: readonly string[];
  /** Shared by the whole program. */
  readonly shared: { fuel: number; names: number; readonly constants: Map<string, bigint> };
}
export interface Variable {
  readonly name: string;
  readonly type: ScalarName;
  readonly writable: boolean;
}
/** A struct or list that can be reached by name. `origins`: what the name may stand for, if it is a second one. */
export interface Record_ {
  readonly name: string;
  readonly of: FieldType;
  readonly writable: boolean;
  readonly origins?: readonly Origin[];
}
/** Somewhere in the memory of a struct that has a name of its own. */
export interface Origin {
  readonly root: string;
  readonly path: readonly Step[];
}

export const INT_NAMES = ["u32", "u8", "u16", "i32", "u64", "i64"] as const satisfies readonly IntName[];

export const pick = <T>(choices: Choices, list: readonly T[]): T => list[choices.below(list.length)]!;
/** A name that nothing has yet, the types of the language included: the 32nd counter is not called i32. */
export function freshName(context: Context, prefix: string): string {
  const name = `${prefix}${context.shared.names++}`;
  return name in INTS ? freshName(context, prefix) : name;
}
export const spend = (context: Context, amount = 1): void => void (context.shared.fuel -= amount * context.turns);
export const rich = (context: Context, amount = 4): boolean => context.shared.fuel > amount * context.turns;

const PART: Struct = {
  name: "Part",
  packed: false,
  fields: [
    { name: "n", type: { kind: "scalar", of: "u32" } },
    { name: "k", type: { kind: "scalar", of: "u8" } },
  ],
};
const INPUT: Struct = {
  name: "In",
  packed: false,
  fields: [
    { name: "a", type: { kind: "scalar", of: "u32" } },
    { name: "b", type: { kind: "scalar", of: "u32" } },
    { name: "c", type: { kind: "scalar", of: "i32" } },
    { name: "d", type: { kind: "scalar", of: "i32" } },
    { name: "e", type: { kind: "scalar", of: "u64" } },
    { name: "f", type: { kind: "scalar", of: "i64" } },
    { name: "g", type: { kind: "scalar", of: "u8" } },
    { name: "h", type: { kind: "scalar", of: "u16" } },
    { name: "port", type: { kind: "scalar", of: "be16" } },
    { name: "addr", type: { kind: "scalar", of: "be32" } },
    { name: "list", type: { kind: "array", of: "u32", length: 4 } },
    { name: "part", type: { kind: "struct", of: PART } },
    { name: "parts", type: { kind: "list", of: PART, length: 2 } },
  ],
};
const OUTPUT: Struct = {
  name: "Out",
  packed: false,
  fields: [
    { name: "r", type: { kind: "scalar", of: "u32" } },
    { name: "s", type: { kind: "scalar", of: "i32" } },
    { name: "t", type: { kind: "scalar", of: "u64" } },
    { name: "u", type: { kind: "scalar", of: "i64" } },
    { name: "v", type: { kind: "scalar", of: "u8" } },
    { name: "w", type: { kind: "scalar", of: "u16" } },
    { name: "port", type: { kind: "scalar", of: "be16" } },
    { name: "addr", type: { kind: "scalar", of: "be32" } },
    { name: "bytes", type: { kind: "array", of: "u8", length: 4 } },
    { name: "longs", type: { kind: "array", of: "u64", length: 2 } },
    { name: "part", type: { kind: "struct", of: PART } },
    { name: "parts", type: { kind: "list", of: PART, length: 3 } },
  ],
};

function generateStruct(choices: Choices, name: string, inner: readonly Struct[]): Struct {
  const count = 1 + choices.below(4);
  const fields: Field[] = Array.from({ length: count }, (_, i) => ({ name: `f${i}`, type: fieldType(choices, inner) }));
  return { name, packed: choices.below(3) === 1, fields };
}
function fieldType(choices: Choices, inner: readonly Struct[]): FieldType {
  const form = choices.below(12);
  if (form === 8 || form > 9)
    return { kind: "list", of: pick(choices, [PART, ...inner]), length: 2 + choices.below(2) };
  if (form === 6) return { kind: "array", of: pick(choices, INT_NAMES), length: pick(choices, [2, 4, 3]) };
  if ((form === 7 || form === 9) && inner.length > 0) return { kind: "struct", of: pick(choices, inner) };
  if (form === 5) return { kind: "scalar", of: pick(choices, ["be16", "be32"] as const) };
  return { kind: "scalar", of: pick(choices, INT_NAMES) };
}

/** The struct, packed or not, with another one inside or not. */
function withPart(choices: Choices, struct: Struct, structs: readonly Struct[]): Struct {
  const part: Field[] =
    structs.length > 0 && choices.below(2) === 1
      ? [{ name: "more", type: { kind: "struct", of: pick(choices, structs) } }]
      : [];
  return { ...struct, packed: choices.below(4) === 3, fields: [...struct.fields, ...part] };
}

/** Most programs are small and many; every tenth is large, since what goes wrong between passes may need room. */
export const sizeOfSeed = (seed: number): number => (seed % 10 === 0 ? 1000 : seed % 5 === 0 ? 500 : 250);

/** One program. `size` is about how many IR operations it may have after unrolling and inlining. */
export function generateProgram(choices: Choices, size = 250): Program {
  const structs: Struct[] = [PART];
  for (let i = choices.below(3); i > 0; i--) structs.push(generateStruct(choices, `S${structs.length - 1}`, structs));
  const params: Param[] = Array.from({ length: choices.below(3) }, (_, i) => {
    const type = pick(choices, INT_NAMES);
    return { name: `param${i}`, type, initial: integerLiteral(choices, type) };
  });
  const globals: Global[] = Array.from({ length: choices.below(3) }, (_, i) => {
    if (structs.length > 0 && choices.below(3) === 2) {
      return { kind: "struct", name: `global${i}`, struct: pick(choices, structs) };
    }
    const type = pick(choices, INT_NAMES);
    return { kind: "scalar", name: `global${i}`, type, initial: integerLiteral(choices, type) };
  });
  const maps: MapDecl[] = Array.from({ length: choices.below(4) }, (_, i) => ({
    name: `map${i}`,
    kind: choices.below(2) === 1 ? "array" : "hash",
    value:
      structs.length > 0 && choices.below(2) === 1 ? pick(choices, structs) : pick(choices, ["u32", "u64"] as const),
    maxEntries: pick(choices, [4, 2, 8]),
  }));
  const input = withPart(choices, INPUT, structs);
  const output = withPart(choices, OUTPUT, structs);

  const shared = { fuel: size, names: 0, constants: new Map<string, bigint>() };
  const nothing: Context = {
    choices,
    variables: [],
    records: [],
    referred: [],
    counters: [],
    functions: [],
    // A look-up in an array finds the same slot as before; what a hash map gave may be gone after a call.
    maps: maps.filter((map) => map.kind === "array"),
    structs,
    loops: [],
    turns: 1,
    returns: undefined,
    borrowed: [],
    shared,
  };
  const constants = generateConstants(nothing);
  const variables: Variable[] = [
    ...constants.map(({ name, type }) => ({ name, type, writable: false })),
    ...params.map((p) => ({ name: p.name, type: p.type, writable: false })),
    ...globals.flatMap((g) => (g.kind === "scalar" ? [{ name: g.name, type: g.type, writable: true }] : [])),
  ];
  const records: Record_[] = globals.flatMap((g) =>
    g.kind === "struct" ? [{ name: g.name, of: { kind: "struct", of: g.struct }, writable: true }] : [],
  );
  const base: Context = { ...nothing, variables, records };
  const functions: Context["functions"][number][] = [];
  for (let i = choices.below(4); i > 0; i--) {
    // Each has its own allowance, so that enough is left for calls.
    const own = { ...shared, fuel: size / 8 };
    const made = generateFunction({ ...base, functions: [...functions], shared: own }, `func${functions.length}`);
    shared.names = own.names;
    functions.push({ ...made, cost: Math.ceil(size / 8 - own.fuel) + 1 });
  }

  const main: Context = {
    ...base,
    functions,
    maps,
    records: [
      { name: "inp", of: { kind: "struct", of: input }, writable: false },
      { name: "out", of: { kind: "struct", of: output }, writable: true },
      ...records,
    ],
  };
  const body = [
    ...block(main, 2 + choices.below(8)),
    // Whatever the statements do, the program has a result.
    {
      kind: "set",
      place: { root: "out", path: [{ kind: "field", name: "r" }], type: "u32" },
      op: "",
      value: intExpr(main, "u32", 3),
    } as const,
  ];
  return prune({
    structs,
    input,
    output,
    constants,
    params,
    globals,
    maps,
    functions: functions.map(({ func }) => func),
    body,
  });
}

/** Constants of declared types, made of literals, sizes and those before them. */
function generateConstants(context: Context): Constant[] {
  const { choices, shared } = context;
  const made: Constant[] = [];
  for (let i = choices.below(4); i > 0; i--) {
    const type = pick(choices, INT_NAMES);
    const name = `K${made.length}`;
    const value = constantExpr({ ...context, variables: made.map((one) => ({ ...one, writable: false })) }, type, 2);
    shared.constants.set(name, constantValue(value, shared.constants));
    made.push({ name, type, value });
  }
  return made;
}

function generateFunction(context: Context, name: string): { func: Func; gives?: Origin } {
  const { choices, structs } = context;
  const structured = (): boolean => structs.length > 0 && choices.below(4) === 3;
  const params = Array.from({ length: 1 + choices.below(3) }, (_, i) => ({
    name: `${name}arg${i}`,
    type: structured() ? pick(choices, structs) : scalarType(choices),
  }));
  const returns = structured() ? "struct" : scalarType(choices);
  const taken = params.flatMap(({ name: param, type }) => (typeof type === "string" ? [] : [{ name: param, type }]));
  const inside: Context = {
    ...context,
    returns: returns === "struct" ? undefined : returns,
    variables: [
      ...context.variables,
      ...params.flatMap((p) => (typeof p.type === "string" ? [{ name: p.name, type: p.type, writable: true }] : [])),
    ],
    records: [
      ...context.records,
      ...taken.map((p) => ({ name: p.name, of: { kind: "struct", of: p.type } as const, writable: true })),
    ],
    borrowed: taken.map((p) => p.name),
  };
  const body = block(inside, choices.below(4));
  if (returns !== "struct") {
    const value = scalarExpr(inside, returns, 2);
    return { func: { name, params, returns, body: [...body, { kind: "return", value }] } };
  }
  // One of its own, or what lies in a parameter or a global.
  const own = freshName(context, "s");
  const made: Stmt = { kind: "let-struct", name: own, made: newStruct(inside, pick(choices, structs), 1) };
  const there = wholesOf(inside).filter((one) => one.writable);
  const given = there.length > 0 && choices.below(3) !== 2 ? pick(choices, there) : undefined;
  const place: Place = given?.place ?? { root: own, path: [], type: "u32" };
  const result: Func = {
    name,
    params,
    returns: given?.type.of ?? made.made.struct,
    body: [...body, ...(given ? [] : [made]), { kind: "return", value: { kind: "whole", place } }],
  };
  return { func: result, gives: { root: place.root, path: place.path } };
}

export function scalarType(choices: Choices): ScalarName {
  return pick(choices, [...INT_NAMES, "boolean"] as const);
}

/** Values that find more than uniform ones: small numbers, powers of two and their neighbours, and anything. */
export function interestingInteger(choices: Choices, type: IntName): bigint {
  const { bits, signed } = INTS[type];
  const form = choices.below(5);
  let value: bigint;
  if (form === 0) value = BigInt(choices.below(9));
  else if (form === 1) value = (1n << BigInt(choices.below(bits))) - BigInt(choices.below(3)) + 1n;
  else if (form === 2) value = -BigInt(choices.below(9));
  else
    value =
      (BigInt(choices.below(2 ** 31)) << 33n) ^
      (BigInt(choices.below(2 ** 31)) << 11n) ^
      BigInt(choices.below(2 ** 31));
  return signed ? BigInt.asIntN(bits, value) : BigInt.asUintN(bits, value);
}
