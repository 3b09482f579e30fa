/** Statements. The forms are listed simplest first. */
import {
  type ArithmeticOp,
  type Element,
  type Expr,
  type FieldType,
  type Given,
  type IntName,
  INTS,
  type New,
  type Place,
  type ShiftOp,
  type Stmt,
  type Struct,
} from "./ast.ts";
import {
  argumentsFor,
  boolExpr,
  divisor,
  effect,
  indexExpr,
  integerLiteral,
  intExpr,
  mapChange,
  mapKey,
  scalarExpr,
  unnarrowed,
} from "./expressions.ts";
import {
  anyWritable,
  arrays,
  lists,
  maskedElement,
  originsOf,
  placeOf,
  sameType,
  scalarsIn,
  structPair,
  structs,
  wholes,
  type Whole,
} from "./places.ts";
import { freshName, pick, rich, scalarType, spend, type Context } from "./program.ts";

/** A block of about `count` statements; what one declares, the next ones see. */
export function block(context: Context, count: number): Stmt[] {
  const made: Stmt[] = [];
  let here = context;
  for (let i = 0; i < count && rich(here, 6); i++) {
    const [stmts, after] = statement(here);
    made.push(...stmts);
    here = after;
  }
  return made;
}

type Made = readonly [stmts: Stmt[], after: Context];
const only = (context: Context, stmt: Stmt | undefined): Made => [stmt ? [stmt] : [], context];
const inner = (context: Context, most: number): Stmt[] => block(context, 1 + context.choices.below(most));

function statement(context: Context): Made {
  const { choices } = context;
  spend(context);
  switch (choices.below(31)) {
    default:
      return only(context, assignment(context));
    case 4:
    case 5:
    case 6: {
      const type = scalarType(choices);
      const init = narrowOr(context, type as IntName, () => scalarExpr(context, type, 3));
      const fixed = choices.below(3) === 2;
      const name = freshName(context, "v");
      const after = { ...context, variables: [...context.variables, { name, type, writable: !fixed }] };
      return [[{ kind: "let", name, type, fixed, init }], after];
    }
    case 7: {
      if (context.structs.length === 0) return only(context, assignment(context));
      const made = newStruct(context, pick(choices, context.structs), 2);
      const name = freshName(context, "s");
      return [[{ kind: "let-struct", name, made }], withRecord(context, name, { kind: "struct", of: made.struct })];
    }
    case 8: {
      const pair = structPair(context);
      return only(context, pair ? { kind: "copy-struct", ...pair } : assignment(context));
    }
    case 9:
      return only(context, nestedBounds(context));
    case 10:
    case 11: {
      const test = boolExpr(context, 2);
      const then = inner(context, 3);
      if (choices.below(2) === 1) return only(context, { kind: "if", test, then, else: inner(context, 3) });
      // Without an else there is always a way on, so that nothing after this is unreachable.
      return only(context, { kind: "if", test, then: [...then, ...leave(context)], else: [] });
    }
    case 12:
      return only(context, switchStatement(context));
    case 13:
    case 14:
      return only(context, loop(context));
    case 15: {
      const change = mapChange(context);
      return only(context, change ? { kind: "run", expr: change } : assignment(context));
    }
    case 16:
      return only(context, withEntry(context) ?? assignment(context));
    case 18:
    case 19: {
      const guarded = guardedStore(context);
      return guarded ? [guarded, context] : only(context, assignment(context));
    }
    case 17: {
      const place = maskedElement(context);
      if (!place) return only(context, assignment(context));
      return only(context, { kind: "set", place, op: "", value: scalarExpr(context, place.type, 2) });
    }
    case 20:
    case 21:
    case 22:
      return refer(context);
    case 23: {
      const found = structs(context);
      if (found.length === 0) return only(context, assignment(context));
      const { place, type } = pick(choices, found);
      const name = freshName(context, "c");
      return [[{ kind: "let-copy", name, struct: type.of, from: place }], withRecord(context, name, type)];
    }
    case 25:
      return referCall(context);
    case 24:
      return only(context, withElement(context) ?? assignment(context));
    case 30:
      return walk(context);
    case 26:
      return twins(context);
    case 27:
    case 28:
    case 29:
      return calls(context);
  }
}
const withRecord = (context: Context, name: string, of: FieldType): Context => ({
  ...context,
  records: [...context.records, { name, of, writable: true }],
});

/** A second name for a struct or list; then, mostly, a store through one of the names and a look through the other. */
function refer(context: Context): Made {
  const { choices } = context;
  const all = wholes(context);
  const kept = choices.below(4) === 3 ? all : all.filter((one) => one.writable);
  if (kept.length === 0) return only(context, assignment(context));
  const from = pick(choices, kept);
  const others = choices.below(4) === 3 ? all.filter((one) => sameType(one.type, from.type)) : [];
  const other = others.length > 0 ? pick(choices, others) : undefined;
  const instead = other ? { instead: { test: boolExpr(context, 1), place: other.place } } : {};
  const name = freshName(context, "p");
  const after = standingFor(context, name, from.type, [from, ...(other ? [other] : [])]);
  const made: Stmt[] = [{ kind: "refer", name, from: from.place, ...instead }];
  const inside = scalarsIn(context, from.type, name);
  const second = pick(choices, inside);
  const first: Place = { ...second, root: from.place.root, path: [...from.place.path, ...second.path] };
  const [written, read] = choices.below(2) === 1 ? [first, second] : [second, first];
  const writable = from.writable && (other?.writable ?? true);
  if (writable && choices.below(4) !== 3)
    made.push({ kind: "set", place: written, op: "", value: scalarExpr(after, written.type, 1) });
  const shown = placeOf(after, read.type, true);
  if (shown && choices.below(4) !== 3)
    made.push({ kind: "set", place: shown, op: "", value: { kind: "read", type: read.type, place: read } });
  return [made, after];
}
function standingFor(context: Context, name: string, of: FieldType, wholes: readonly Whole[]): Context {
  const origins = wholes.flatMap((whole) => originsOf(context, whole.place));
  return {
    ...context,
    records: [...context.records, { name, of, writable: wholes.every((whole) => whole.writable), origins }],
    referred: [...context.referred, ...origins],
  };
}

/** `new S({ … })`: fields get numbers, copies of what lies somewhere, and new structs. */
export function newStruct(context: Context, struct: Struct, depth: number): New {
  const { choices } = context;
  const given = (type: FieldType): Given | undefined => {
    if (choices.below(2) === 0) return undefined;
    if (type.kind === "scalar") return scalarExpr(context, type.of, 1);
    if (type.kind === "struct" && depth > 0 && choices.below(3) > 0) return newStruct(context, type.of, depth - 1);
    const found = wholes(context).filter((one) => sameType(one.type, type));
    return found.length === 0 ? undefined : { kind: "whole", place: pick(choices, found).place };
  };
  const init = struct.fields.flatMap(({ name, type }) => {
    const value = given(type);
    return value ? [{ field: name, value }] : [];
  });
  return { kind: "new", struct, init };
}

/** A name for the struct that a helper gives back. */
function referCall(context: Context): Made {
  const { choices } = context;
  const found = context.functions.filter(({ gives, cost }) => gives && rich(context, cost));
  const { func, cost, gives } = found.length > 0 ? pick(choices, found) : {};
  const args = func && argumentsFor(context, func, 1);
  if (!func || !args || !gives || typeof func.returns === "string") return only(context, assignment(context));
  spend(context, cost);
  const name = freshName(context, "p");
  const given = args[func.params.findIndex((param) => param.name === gives.root)];
  // What is no parameter's is the function's own, new with each call, or a global.
  const origins =
    given?.kind === "whole"
      ? originsOf(context, { ...given.place, path: [...given.place.path, ...gives.path] })
      : [gives];
  const record = { name, of: { kind: "struct", of: func.returns } as const, writable: true, origins };
  const after = {
    ...context,
    records: [...context.records, record],
    referred: [...context.referred, ...origins],
  };
  return [[{ kind: "refer-call", name, func: func.name, args }], after];
}

/** One helper called several times, and what it gave put where it is seen: what may stay a function of the object. */
function calls(context: Context): Made {
  const { choices } = context;
  const found = context.functions.filter(
    ({ func, cost }) => typeof func.returns === "string" && rich(context, 2 * cost),
  );
  const { func, cost } = found.length > 0 ? pick(choices, found) : {};
  const type = func?.returns;
  if (!func || typeof type !== "string") return only(context, assignment(context));
  const made: Stmt[] = [];
  for (let times = 2 + choices.below(2); times > 0 && rich(context, cost); times--) {
    const args = argumentsFor(context, func, 2);
    const to = placeOf(context, type, true) ?? placeOf(context, "u64", true);
    if (!args || !to) break;
    spend(context, cost);
    const call: Expr = { kind: "call", type, func: func.name, args };
    made.push({
      kind: "set",
      place: to,
      op: "",
      value: to.type === type ? call : { kind: "cast", type: "u64", value: call },
    });
  }
  return [made, context];
}

/** An element of a list of structs that may not be there. */
function withElement(context: Context): Stmt | undefined {
  const { choices } = context;
  const found = lists(context);
  if (found.length === 0) return undefined;
  const { place, type, writable } = pick(choices, found);
  const index = intExpr(context, pick(choices, ["u32", "u8", "i32"] as const), 1);
  if (index.kind === "literal") return undefined;
  const name = freshName(context, "e");
  const path = [...place.path, { kind: "at-masked", index, mask: 0 } as const];
  const element: Whole = { place: { ...place, path }, type: { kind: "struct", of: type.of }, writable };
  const then = inner(standingFor(context, name, element.type, [element]), 3);
  const otherwise = choices.below(2) === 1 ? inner(context, 1) : [];
  const declared = context.walking ? { declared: type.of } : {};
  return { kind: "with-element", name, ...declared, list: place, length: type.length, index, then, else: otherwise };
}

/** A name that stands for one struct of a list, then for another one of the same list or another; some in a variable of its own. */
function walk(context: Context): Made {
  const { choices } = context;
  const listed = context.structs.filter((one) => one.fields.some(({ type }) => type.kind === "list"));
  if (listed.length === 0 || choices.below(2) === 1) return only(context, walkThrough(context) ?? assignment(context));
  const made = newStruct(context, pick(choices, listed), 1);
  const name = freshName(context, "s");
  const after = withRecord(context, name, { kind: "struct", of: made.struct });
  const through = walkThrough(after, name);
  return [[{ kind: "let-struct", name, made }, ...(through ? [through] : [])], after];
}
function walkThrough(context: Context, root?: string): Stmt | undefined {
  const { choices } = context;
  const all = lists(context).filter((one) => root === undefined || one.place.root === root);
  const turns = 2 + choices.below(2);
  if (all.length === 0 || !rich(context, turns * 12)) return undefined;
  const to = pick(choices, all);
  const others = all.filter((one) => one.type.of.name === to.type.of.name);
  const from = choices.below(4) === 3 ? undefined : pick(choices, others);
  const element = (here: Context, list: typeof to): Element => {
    const made = intExpr(here, pick(choices, ["u32", "u8", "i32"] as const), 1);
    const index: Expr = made.kind === "literal" ? { kind: "cast", type: "u32", value: made } : made;
    return { list: list.place, length: list.type.length, index };
  };
  const first = from && element(context, from);
  const [name, counter] = [freshName(context, "w"), freshName(context, "i")];
  const turning: Context = {
    ...context,
    loops: [...context.loops, { label: "", kind: "switch" }],
    turns: context.turns * turns,
    counters: [...context.counters, { name: counter, below: turns }],
  };
  const next = element(turning, to);
  const struct = to.type.of;
  const elements = [to, ...(from ? [from] : [])].map((list): Whole => {
    const path = [...list.place.path, { kind: "at-counter", counter } as const];
    return { place: { ...list.place, path }, type: { kind: "struct", of: struct }, writable: list.writable };
  });
  // In its scope it may stand for any struct of its type.
  const any = structs(context).filter((one) => one.type.of.name === struct.name);
  const referred = [...turning.referred, ...[...any, ...elements].flatMap(({ place }) => originsOf(context, place))];
  const inside = { ...turning, referred, walking: true };
  return {
    kind: "walk",
    name,
    struct,
    counter,
    turns,
    next,
    then: inner(standingFor(inside, name, { kind: "struct", of: struct }, elements), 3),
    else: choices.below(2) === 1 ? inner(inside, 1) : [],
    ...(first ? { first } : {}),
  };
}

/** A comparison inside another one of the same value with nearly the same bound: what range analysis must get right. */
function nestedBounds(context: Context): Stmt | undefined {
  const { choices } = context;
  const type = pick(choices, ["u32", "i32", "u64", "i64"] as const);
  const place = placeOf(context, type, false);
  if (!place) return assignment(context);
  const bound = BigInt(1 + choices.below(7));
  const value: Expr = { kind: "read", type, place };
  const against = (n: bigint, left: Expr): Extract<Expr, { kind: "compare" }> => {
    const right: Expr = { kind: "literal", type, value: n };
    const op = pick(choices, ["<", ">", "<=", ">=", "===", "!=="] as const);
    return { kind: "compare", type: "boolean", as: type, op, left, right };
  };
  const near = bound + BigInt(choices.below(3)) - 1n;
  const plain = unnarrowed(context, value);
  const outer = against(bound, plain);
  // Inside of a comparison for equality, tsc takes the place for that one number.
  const again: Expr = outer.op === "===" || outer.op === "!==" ? { kind: "cast", type, value } : plain;
  const within: Stmt[] = [{ kind: "if", test: against(near, again), then: inner(context, 1), else: inner(context, 1) }];
  return { kind: "if", test: outer, then: within, else: inner(context, 1) };
}

/** `const i = …; if (i < length) list[i] = …`: under a check that may hold always, sometimes or never. */
function guardedStore(context: Context): Stmt[] | undefined {
  const { choices } = context;
  const found = arrays(context).filter((array) => array.writable);
  if (found.length === 0) return undefined;
  const { place, of, length } = pick(choices, found);
  const name = freshName(context, "at");
  const init = indexExpr(context, length, 1);
  const index: Expr = init.type === "u32" ? init : { kind: "cast", type: "u32", value: init };
  const read: Expr = { kind: "read", type: "u32", place: { root: name, path: [], type: "u32" } };
  const test: Expr = {
    kind: "compare",
    type: "boolean",
    as: "u32",
    op: "<",
    left: read,
    right: { kind: "literal", type: "u32", value: BigInt(length) },
  };
  const to: Place = { root: place.root, path: [...place.path, { kind: "at-counter", counter: name }], type: of };
  return [
    { kind: "let", name, type: "u32", fixed: true, init: index },
    {
      kind: "if",
      test,
      then: [{ kind: "set", place: to, op: "", value: scalarExpr(context, of, 1) }],
      else: choices.below(3) === 2 ? inner(context, 1) : [],
    },
  ];
}

/**
 * Two branches that do the same with values that are the same in some places and others in some, and what is done with one of the values behind
 * them: equal code that may stand once, if it is seen which values differ where.
 */
function twins(context: Context): Made {
  const { choices } = context;
  const type = pick(choices, ["u32", "u64"] as const);
  const names = [0, 1, 2].map(() => freshName(context, "x"));
  const lets = names.map((name): Stmt => ({
    kind: "let",
    name,
    type,
    fixed: true,
    init: unnarrowed(context, scalarExpr(context, type, 1)),
  }));
  const after = {
    ...context,
    variables: [...context.variables, ...names.map((name) => ({ name, type, writable: false }))],
  };
  const read = (name: string): Expr => ({ kind: "read", type, place: { root: name, path: [], type } });
  const integers = ["u32", "u64", "i32", "i64"] as const;
  const rows: { readonly place: Place; readonly op: ArithmeticOp; readonly with: bigint }[] = [];
  for (let count = 3 + choices.below(4); count > 0; count--) {
    const place = placeOf(context, pick(choices, integers), true);
    if (place)
      rows.push({ place, op: pick(choices, ["+", "^", "*", "-"] as const), with: BigInt(1 + choices.below(9)) });
  }
  if (rows.length === 0 || !rich(context, 16 * rows.length)) return only(context, assignment(context));
  // In both branches, and a store into a packed struct is one of each byte.
  spend(context, 16 * rows.length);
  /** Mostly the first, so that the branches agree in some places. */
  const one = (): string => names[[0, 0, 1, 2][choices.below(4)]!]!;
  const value = (of: string, { place, op, with: by }: (typeof rows)[number]): Expr => {
    const right: Expr = { kind: "literal", type, value: by };
    const made: Expr = { kind: "arithmetic", type, op, left: read(of), right };
    return place.type === type ? made : { kind: "cast", type: place.type as IntName, value: made };
  };
  const set = (row: (typeof rows)[number]): Stmt => ({
    kind: "set",
    place: row.place,
    op: "",
    value: value(one(), row),
  });
  // From some row on, perhaps, in both ways of a decision that both branches come to.
  const from = choices.below(2) === 1 ? choices.below(rows.length) : rows.length;
  const decision = { op: pick(choices, ["<", ">", "<=", ">="] as const), than: BigInt(choices.below(9)) };
  const decide = (): Expr => ({
    kind: "compare",
    type: "boolean",
    as: type,
    op: decision.op,
    left: read(one()),
    right: { kind: "literal", type, value: decision.than },
  });
  const otherwise = choices.below(2) === 1;
  const branch = (): Stmt[] => {
    const rest = rows.slice(from);
    const made = rows.slice(0, from).map(set);
    if (rest.length === 0) return made;
    return [...made, { kind: "if", test: decide(), then: rest.map(set), else: otherwise ? rest.map(set) : [] }];
  };
  const test = boolExpr(context, 2);
  // One of them may go on elsewhere.
  const leaves = choices.below(4) === 3 ? leave(context) : [];
  const behind = rows[0]!;
  return [
    [
      ...lets,
      { kind: "if", test, then: [...branch(), ...leaves], else: branch() },
      {
        kind: "set",
        place: behind.place,
        op: "^",
        value: { kind: "cast", type: behind.place.type as IntName, value: read(one()) },
      },
    ],
    after,
  ];
}

/** What stores a 32-bit result into 8 or 16 bits because its range fits, without a cast. */
function narrowOr(context: Context, type: IntName, other: () => Expr): Expr {
  const { choices } = context;
  if ((type !== "u8" && type !== "u16") || choices.below(3) !== 1) return other();
  const { bits } = INTS[type];
  const value = intExpr(context, "u32", 1);
  const left: Expr = value.kind === "literal" ? { kind: "cast", type: "u32", value } : value;
  const literal = (n: number): Expr => ({ kind: "literal", type: "u32", value: BigInt(n) });
  switch (choices.below(3)) {
    case 0:
      return { kind: "arithmetic", type: "u32", op: "&", left, right: literal(2 ** bits - 1) };
    case 1:
      return { kind: "arithmetic", type: "u32", op: "%", left, right: literal(1 + choices.below(2 ** bits - 1)) };
    default:
      return { kind: "shift", type: "u32", op: ">>", left, count: literal(32 - bits) };
  }
}

const COMPOUND: readonly (ArithmeticOp | ShiftOp)[] = ["+", "-", "^", "|", "&", "*", "<<", ">>", "/", "%"];

function assignment(context: Context): Stmt | undefined {
  const { choices } = context;
  const place = anyWritable(context);
  if (!place) return undefined;
  const { type } = place;
  if (type in INTS && choices.below(3) === 2) return compound(context, place, type as IntName);
  const value = narrowOr(context, type as IntName, () => scalarExpr(context, type, 3));
  return { kind: "set", place, op: "", value };
}

function compound(context: Context, place: Place, type: IntName): Stmt {
  const { choices } = context;
  const { bits, big } = INTS[type];
  if (type === "u8" || type === "u16") {
    // These keep the value inside its type whatever the operand is.
    const op = pick(choices, ["&", ">>", "|", "^"] as const);
    const value: Expr =
      op === ">>"
        ? { kind: "literal", type: "u32", value: BigInt(choices.below(bits)) }
        : { kind: "literal", type, value: integerLiteral(choices, type) };
    return { kind: "set", place, op, value };
  }
  const op = pick(choices, COMPOUND);
  const shifts = op === "<<" || op === ">>";
  if (shifts) {
    const value: Expr = { kind: "literal", type: big ? "u64" : "u32", value: BigInt(choices.below(bits)) };
    return { kind: "set", place, op, value };
  }
  const value = intExpr(context, type, 2);
  const divides = op === "/" || op === "%";
  return { kind: "set", place, op, value: divides ? divisor(context, value) : value };
}

/** `break`, `continue` or `return`, or nothing. */
function leave(context: Context): Stmt[] {
  const { choices, loops } = context;
  const form = choices.below(5);
  if (form === 3 && context.returns) return [{ kind: "return", value: scalarExpr(context, context.returns, 1) }];
  const around = loops.filter((l) => l.kind === "loop");
  if ((form !== 1 && form !== 2) || around.length === 0) return [];
  const kind = form === 1 ? "break" : "continue";
  if (choices.below(2) === 1 || loops.at(-1)!.kind === "switch") {
    return [{ kind, label: pick(choices, around).label }];
  }
  return [{ kind }];
}

function switchStatement(context: Context): Stmt {
  const { choices } = context;
  const type = pick(choices, ["u32", "u8", "i32", "u64"] as const);
  // Something that a case can change.
  const changed = choices.below(3) === 2 ? placeOf(context, type, true) : undefined;
  const raw: Expr = changed ? { kind: "read", type, place: changed } : intExpr(context, type, 2);
  const value: Expr = raw.kind === "literal" ? { kind: "cast", type, value: raw } : unnarrowed(context, raw);
  const inside: Context = { ...context, loops: [...context.loops, { label: "", kind: "switch" }] };
  const seen = new Set<bigint>();
  const cases = Array.from({ length: 1 + choices.below(4) }, () => {
    const labels: Expr[] = [];
    for (let n = 1 + choices.below(2); n > 0; n--) {
      const form = choices.below(6);
      if (form === 4) labels.push(intExpr(context, type, 1));
      if (form === 5) labels.push(effect(context, type));
      if (form >= 4) continue;
      let label = choices.below(4) === 3 ? integerLiteral(choices, type) : BigInt(choices.below(6));
      while (seen.has(label)) label = (label + 1n) & 0x7fn;
      seen.add(label);
      labels.push({ kind: "literal", type, value: label });
    }
    return { labels, body: inner(inside, 2) };
  });
  return choices.below(2) === 1
    ? { kind: "switch", value, cases, default: { at: choices.below(cases.length + 1), body: inner(inside, 2) } }
    : { kind: "switch", value, cases };
}

function loop(context: Context): Stmt | undefined {
  const { choices } = context;
  const form = choices.below(4);
  const counter = freshName(context, "i");
  const label = `turn${context.shared.names++}`;
  const loops = [...context.loops, { label, kind: "loop" as const }];
  if (form <= 1) {
    const most = 1 + choices.below(form === 0 ? 4 : 6);
    if (!rich(context, most * 8)) return assignment(context);
    const count = form === 1 ? intExpr(context, "u32", 1) : undefined;
    const bound: Expr | undefined = count?.kind === "literal" ? { kind: "cast", type: "u32", value: count } : count;
    const inside: Context = {
      ...context,
      loops,
      turns: context.turns * most,
      counters: [...context.counters, { name: counter, below: most }],
    };
    return { kind: "range", counter, most, label, body: inner(inside, 2), ...(bound ? { count: bound } : {}) };
  }
  if (form === 2) {
    const turns = 1 + choices.below(4);
    if (!rich(context, turns * 8)) return assignment(context);
    const type = pick(choices, ["u32", "i32"] as const);
    const by = BigInt(1 + choices.below(3));
    const down = type === "i32" && choices.below(2) === 1;
    const from = type === "i32" ? BigInt(choices.below(9)) - 4n : BigInt(choices.below(5));
    const span = by * BigInt(turns);
    const inside: Context = {
      ...context,
      loops,
      turns: context.turns * turns,
      variables: [...context.variables, { name: counter, type, writable: false }],
    };
    return {
      kind: "for",
      counter,
      type,
      from,
      op: down ? ">" : "<",
      to: down ? from - span : from + span,
      by: down ? -by : by,
      label,
      body: inner(inside, 2),
    };
  }
  const structured = choices.below(3) === 2 ? lists(context) : [];
  if (structured.length > 0) return eachStruct(context, pick(choices, structured), counter);
  const found = arrays(context);
  if (found.length === 0) return assignment(context);
  const { place, of, length } = pick(choices, found);
  if (!rich(context, length * 8)) return assignment(context);
  const inside: Context = {
    ...context,
    // Without a label of its own: only unlabelled jumps, or jumps further out, leave it.
    loops: [...context.loops, { label: "", kind: "switch" }],
    turns: context.turns * length,
    referred: [...context.referred, ...originsOf(context, place)],
    variables: [...context.variables, { name: counter, type: of, writable: false }],
  };
  return { kind: "for-of", name: counter, array: place, length, body: inner(inside, 2) };
}

/** `for (const name of list)`: the name is another one for each struct in its turn. */
function eachStruct(context: Context, list: ReturnType<typeof lists>[number], name: string): Stmt | undefined {
  const { place, type, writable } = list;
  if (!rich(context, type.length * 8)) return assignment(context);
  const path = [...place.path, { kind: "at-counter", counter: name } as const];
  const element: Whole = { place: { ...place, path }, type: { kind: "struct", of: type.of }, writable };
  const inside: Context = {
    ...standingFor(context, name, element.type, [element]),
    loops: [...context.loops, { label: "", kind: "switch" }],
    turns: context.turns * type.length,
  };
  return { kind: "for-of", name, array: place, length: type.length, body: inner(inside, 2) };
}

function withEntry(context: Context): Stmt | undefined {
  const { choices } = context;
  const found = context.maps.filter((map) => typeof map.value !== "string");
  if (found.length === 0) return undefined;
  const map = pick(choices, found);
  if (typeof map.value === "string") return undefined;
  spend(context, 6);
  const key = mapKey(context, map);
  const name = freshName(context, "entry");
  // The maps are out of reach while a pointer into one is live.
  const inside: Context = {
    ...withRecord(context, name, { kind: "struct", of: map.value }),
    maps: context.maps.filter((one) => one.kind === "array"),
  };
  const then = inner(inside, 3);
  return {
    kind: "with-entry",
    name,
    map: map.name,
    key,
    then,
    else: choices.below(2) === 1 ? inner({ ...context, maps: inside.maps }, 2) : [],
  };
}
