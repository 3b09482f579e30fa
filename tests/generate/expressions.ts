/** Expressions of a wanted type. The forms are listed simplest first. */
import type { Choices } from "./choices.ts";
import {
  type ArithmeticOp,
  type CompareOp,
  type Expr,
  type Func,
  type Given,
  type IntName,
  INTS,
  type MapDecl,
  type ScalarName,
} from "./ast.ts";
import { constantValue } from "./evaluate.ts";
import { arrays, placeOf, structs } from "./places.ts";
import { operandsOf } from "./prune.ts";
import { INT_NAMES, interestingInteger, pick, rich, spend, type Context } from "./program.ts";

export const integerLiteral = (choices: Choices, type: IntName): bigint => interestingInteger(choices, type);
const literal = (context: Context, type: IntName): Expr => ({
  kind: "literal",
  type,
  value: integerLiteral(context.choices, type),
});

export function scalarExpr(context: Context, type: ScalarName, depth: number): Expr {
  if (type === "boolean") {
    // A constant truth is fine as a value; as a condition it would make code unreachable for tsc.
    return context.choices.below(6) === 5
      ? { kind: "truth", type, value: context.choices.below(2) === 1 }
      : boolExpr(context, depth);
  }
  return type === "be16" || type === "be32" ? wireExpr(context, type, depth) : intExpr(context, type, depth);
}

/** A number that the compiler computes: a literal, or the size of a struct. */
function known(context: Context, type: IntName): Expr {
  const { choices } = context;
  if (type === "u32" && context.structs.length > 0 && choices.below(4) === 3)
    return { kind: "size", type, struct: pick(choices, context.structs) };
  return literal(context, type);
}

function leaf(context: Context, type: IntName): Expr {
  const place = placeOf(context, type, false);
  return place ? { kind: "read", type, place } : literal(context, type);
}

/** An operand of this type that is no literal, so that it can give its type to a literal beside it. */
function typed(context: Context, type: IntName, depth: number): Expr {
  const expr = intExpr(context, type, depth);
  return expr.kind === "literal" ? { kind: "cast", type, value: expr } : expr;
}

const ARITHMETIC: readonly ArithmeticOp[] = ["+", "-", "&", "|", "^", "*", "/", "%"];

/** Both operands of an operator that works in `type`. A narrow one widens to what stands beside it. */
function operands(context: Context, type: IntName, depth: number): { left: Expr; right: Expr } {
  const { choices } = context;
  const is32 = type === "u32" || type === "i32";
  const left = typed(context, type, depth);
  const form = choices.below(4);
  if (form === 1) return { left, right: literal(context, type) };
  const right =
    form === 2 && is32 ? typed(context, pick(choices, ["u8", "u16"] as const), depth) : typed(context, type, depth);
  // A literal may stand on either side, a narrow operand too.
  return choices.below(3) === 2 ? { left: right, right: left } : { left, right };
}

export function intExpr(context: Context, type: IntName, depth: number): Expr {
  const { choices } = context;
  spend(context);
  if (depth <= 0 || !rich(context)) return choices.below(3) === 1 ? literal(context, type) : leaf(context, type);
  const less = depth - 1;
  const narrow = type === "u8" || type === "u16";
  const form = choices.below(24);
  switch (form) {
    case 0:
      return leaf(context, type);
    case 1:
      return known(context, type);
    case 22:
    case 23:
      if (narrow) break;
      return chain(context, type);
    case 2:
    case 3:
    case 4:
    case 5:
    case 6: {
      if (narrow) break;
      const op = pick(choices, ARITHMETIC);
      const { left, right } = operands(context, type, less);
      return { kind: "arithmetic", type, op, left, right: op === "/" || op === "%" ? divisor(context, right) : right };
    }
    case 7:
    case 8: {
      if (narrow) break;
      return shiftExpr(context, type, less);
    }
    case 9:
      if (narrow) break;
      return { kind: "unary", type, op: pick(choices, ["~", "-"] as const), value: typed(context, type, less) };
    case 10:
    case 11: {
      const from = pick(choices, [...INT_NAMES, "boolean"] as const);
      return { kind: "cast", type, value: from === "boolean" ? boolExpr(context, less) : typed(context, from, less) };
    }
    case 12:
      return {
        kind: "conditional",
        type,
        test: boolExpr(context, less),
        then: intExpr(context, type, less),
        else: intExpr(context, type, less),
      };
    case 13: {
      if (narrow || type === "i64") break;
      const left = intExpr(context, type, less);
      return {
        kind: "pick",
        type,
        op: pick(choices, ["min", "max"] as const),
        // tsc takes the first overload for two plain numbers, and that one is for u32.
        left: type === "i32" ? { kind: "cast", type, value: left } : left,
        right: intExpr(context, type, less),
      };
    }
    case 14: {
      const found = arrays(context).filter((array) => array.of === type);
      if (found.length === 0) break;
      const { place, length } = pick(choices, found);
      const index = unwritten(indexExpr(context, length, less));
      return { kind: "element", type, array: place, length, index, otherwise: intExpr(context, type, 0) };
    }
    case 15: {
      if (type !== "u16" && type !== "u32") break;
      return { kind: "swap", type, value: wireExpr(context, type === "u16" ? "be16" : "be32", less) };
    }
    case 16: {
      const call = callExpr(context, type, less);
      if (!call) break;
      return call;
    }
    case 17: {
      const place = placeOf(context, type, true);
      if (!place) break;
      if (!narrow && choices.below(2) === 1) {
        const op = pick(choices, ["++", "--"] as const);
        return { kind: "step", type, place, op, prefix: choices.below(2) === 1 };
      }
      return { kind: "assign", type, place, value: intExpr(context, type, less) };
    }
    case 18: {
      const found = context.maps.filter((map) => map.value === type);
      if (found.length === 0) break;
      const map = pick(choices, found);
      spend(context, 6);
      return { kind: "map-get", type, map: map.name, key: mapKey(context, map), otherwise: intExpr(context, type, 0) };
    }
    case 20:
    case 21:
      // Widened, it shows whether it was computed in its type.
      return type === "i64" || type === "u64"
        ? { kind: "cast", type, value: constantOperand(context, pick(choices, ["u32", "i32", type] as const), less) }
        : constantExpr(context, type, depth);
    case 19:
      if (type !== "i32") break;
      return mapChange(context) ?? leaf(context, type);
  }
  return leaf(context, type);
}

const isConstantName = (name: string): boolean => /^K\d/.test(name);
/** Does nothing at run time decide its value? */
export function isConstant(expr: Expr): boolean {
  if (expr.kind === "read") return isConstantName(expr.place.root);
  if (expr.kind === "literal" || expr.kind === "truth" || expr.kind === "size") return true;
  if (expr.kind === "call" || expr.kind === "step" || expr.kind === "element" || expr.kind.startsWith("map-"))
    return false;
  return operandsOf(expr).every(isConstant);
}

/** A division by a constant zero is the program's error; by a value that happens to be zero it gives zero. */
export function divisor(context: Context, expr: Expr): Expr {
  if (!isConstant(expr) || (!assigns(expr) && constantValue(expr, context.shared.constants) !== 0n)) return expr;
  const type = expr.type as IntName;
  return { kind: "cast", type, value: { kind: "literal", type, value: 3n } };
}

const assigns = (expr: Expr): boolean => expr.kind === "assign" || operandsOf(expr).some(assigns);

/** What a constant may be declared to be. */
export function constantExpr(context: Context, type: IntName, depth: number): Expr {
  const { choices } = context;
  const narrow = type === "u8" || type === "u16";
  const less = depth - 1;
  const operand = (of: IntName): Expr => constantOperand(context, of, less);
  const form = depth <= 0 ? choices.below(2) : choices.below(9);
  switch (form) {
    case 1: {
      const same = context.variables.filter((one) => one.type === type && isConstantName(one.name));
      if (same.length === 0) return known(context, type);
      return { kind: "read", type, place: { root: pick(choices, same).name, path: [], type } };
    }
    case 2:
    case 3:
    case 4: {
      if (narrow) break;
      const op = pick(choices, ARITHMETIC);
      const from = type === "u32" ? pick(choices, ["u32", "u16", "u8"] as const) : type;
      const left = operand(type);
      const right = choices.below(2) === 1 ? literal(context, type) : operand(from);
      return { kind: "arithmetic", type, op, left, right: op === "/" || op === "%" ? divisor(context, right) : right };
    }
    case 5: {
      if (narrow) break;
      const { bits, big } = INTS[type];
      const count: Expr = { kind: "literal", type: big ? "u64" : "u32", value: BigInt(choices.below(bits)) };
      return { kind: "shift", type, op: pick(choices, ["<<", ">>"] as const), left: operand(type), count };
    }
    case 6:
      if (narrow) break;
      return { kind: "unary", type, op: pick(choices, ["-", "~"] as const), value: operand(type) };
    case 7:
    case 8:
      return { kind: "cast", type, value: operand(pick(choices, INT_NAMES)) };
  }
  return known(context, type);
}

function constantOperand(context: Context, type: IntName, depth: number): Expr {
  const expr = constantExpr(context, type, depth);
  return expr.kind === "literal" ? { kind: "cast", type, value: expr } : expr;
}

/** An expression that changes something, where there is something to change. */
export function effect(context: Context, type: IntName): Expr {
  const { choices } = context;
  const form = choices.below(4);
  const call = form === 3 ? callExpr(context, type, 0) : undefined;
  if (call) return call;
  const place = placeOf(context, type, true);
  if (!place) return intExpr(context, type, 1);
  if (type === "u8" || type === "u16" || form === 2)
    return { kind: "assign", type, place, value: intExpr(context, type, 1) };
  return { kind: "step", type, place, op: pick(choices, ["++", "--"] as const), prefix: choices.below(2) === 1 };
}

function shiftExpr(context: Context, type: IntName, depth: number): Expr {
  const { choices } = context;
  const { bits, big } = INTS[type];
  const count: Expr =
    choices.below(2) === 0
      ? { kind: "literal", type: big ? "u64" : "u32", value: BigInt(choices.below(bits)) }
      : typed(
          context,
          big ? pick(choices, ["u64", "i64"] as const) : pick(choices, ["u32", "u8", "i32"] as const),
          depth,
        );
  // A constant count must lie inside the width.
  const within = (value: bigint): boolean => value >= 0n && value < BigInt(bits);
  const safe: Expr =
    count.kind !== "literal" &&
    isConstant(count) &&
    (assigns(count) || !within(constantValue(count, context.shared.constants)))
      ? { kind: "literal", type: big ? "u64" : "u32", value: BigInt(choices.below(bits)) }
      : count;
  if (type === "u32" && choices.below(3) === 2) {
    const from = pick(choices, ["u32", "i32", "u8", "u16"] as const);
    return { kind: "shift", type, op: ">>>", left: typed(context, from, depth), count: safe };
  }
  const from = type === "u32" ? pick(choices, ["u32", "u8", "u16"] as const) : type;
  return {
    kind: "shift",
    type,
    op: pick(choices, ["<<", ">>"] as const),
    left: typed(context, from, depth),
    count: safe,
  };
}

/** Operators with literals one after another: ranges and bits that we know, or the verifier does, or both, or neither. */
function chain(context: Context, type: IntName): Expr {
  const { choices } = context;
  const { bits, big } = INTS[type];
  const number = (value: bigint): Expr => ({ kind: "literal", type, value });
  let made = typed(context, type, 0);
  for (let steps = 2 + choices.below(4); steps > 0; steps--) {
    spend(context);
    const low = (1n << BigInt(choices.below(bits - 1))) - 1n;
    const small = BigInt(1 + choices.below(9));
    const form = choices.below(7);
    if (form === 6) {
      const count: Expr = { kind: "literal", type: big ? "u64" : "u32", value: BigInt(choices.below(bits)) };
      made = { kind: "shift", type, op: pick(choices, ["<<", ">>"] as const), left: made, count };
      continue;
    }
    const [op, right] = (
      [
        ["&", low],
        ["|", low],
        ["%", small],
        ["/", small],
        ["+", small],
        ["*", small],
      ] as const
    )[form]!;
    made = { kind: "arithmetic", type, op, left: made, right: number(right) };
  }
  return made;
}

/** An index that may or may not lie inside: any number, one that folds, a turn's, or what a remainder leaves. */
export function indexExpr(context: Context, length: number, depth: number): Expr {
  const { choices } = context;
  const number = (value: number): Expr => ({ kind: "literal", type: "u32", value: BigInt(value) });
  const around = { kind: "arithmetic", type: "u32" } as const;
  switch (choices.below(6)) {
    default:
      return intExpr(context, pick(choices, ["u32", "u8", "i32"] as const), depth);
    case 2:
      return { ...around, op: "%", left: typed(context, "u32", depth), right: number(length + choices.below(3)) };
    case 3:
      return { ...around, op: "+", left: typed(context, "u32", 0), right: number(choices.below(3)) };
    case 4:
      return chain(context, "u32");
    case 5: {
      const turn = context.counters.at(-1);
      if (!turn) return { kind: "cast", type: "u32", value: number(choices.below(2 * length)) };
      const place = { root: turn.name, path: [], type: "u32" } as const;
      return { ...around, op: "+", left: { kind: "read", type: "u32", place }, right: number(choices.below(3)) };
    }
  }
}

/** A number as it stands must lie inside; that it may not is an error of its own, with a test of its own. */
const unwritten = (index: Expr): Expr =>
  index.kind === "literal" ? { kind: "cast", type: index.type, value: index } : index;

/** A key from a small set, so that lookups meet what updates stored and a map gets full; a slot that may not be there. */
export function mapKey(context: Context, map: MapDecl): Expr {
  if (map.kind === "array") {
    const index = indexExpr(context, map.maxEntries, 1);
    // Keys are u32.
    return index.type === "i32" ? { kind: "cast", type: "u32", value: index } : unwritten(index);
  }
  const key = typed(context, "u32", 1);
  return { kind: "arithmetic", type: "u32", op: "&", left: key, right: { kind: "literal", type: "u32", value: 7n } };
}

/** An update or delete, where no pointer into the map is live: the kernel gives a freed element to the next insert. */
export function mapChange(context: Context): Expr | undefined {
  const { choices } = context;
  const found = context.maps.filter((map) => typeof map.value === "string");
  if (found.length === 0) return undefined;
  const map = pick(choices, found);
  spend(context, 8);
  const key = mapKey(context, map);
  if (map.kind === "hash" && choices.below(4) === 3) return { kind: "map-delete", type: "i32", map: map.name, key };
  return {
    kind: "map-set",
    type: "i32",
    map: map.name,
    key,
    value: intExpr(context, map.value as IntName, 1),
    mode: map.kind === "array" ? "any" : pick(choices, ["any", "insert", "update"] as const),
  };
}

function callExpr(context: Context, type: ScalarName, depth: number): Expr | undefined {
  const found = context.functions.filter(({ func, cost }) => func.returns === type && rich(context, cost));
  if (found.length === 0) return undefined;
  const { func, cost } = pick(context.choices, found);
  spend(context, cost);
  const args = argumentsFor(context, func, depth);
  return args && { kind: "call", type, func: func.name, args };
}

/** What fits a helper's parameters; undefined where there is no struct to give. */
export function argumentsFor(context: Context, func: Func, depth: number): Given[] | undefined {
  const args: Given[] = [];
  for (const { type } of func.params) {
    if (typeof type === "string") args.push(scalarExpr(context, type, depth));
    else {
      const found = structs(context).filter((one) => one.writable && one.type.of === type);
      if (found.length === 0) return undefined;
      args.push({ kind: "whole", place: pick(context.choices, found).place });
    }
  }
  return args;
}

/** be16 or be32. */
export function wireExpr(context: Context, type: "be16" | "be32", depth: number): Expr {
  const place = placeOf(context, type, false);
  if (place && (depth <= 0 || context.choices.below(2) === 0)) return { kind: "read", type, place };
  return { kind: "swap", type, value: intExpr(context, type === "be16" ? "u16" : "u32", depth - 1) };
}

const ORDER: readonly CompareOp[] = ["===", "<", "!==", ">", "<=", ">="];

export function boolExpr(context: Context, depth: number): Expr {
  const { choices } = context;
  spend(context);
  const less = depth - 1;
  const form = depth <= 0 ? choices.below(2) : choices.below(10);
  switch (form) {
    case 1: {
      const place = placeOf(context, "boolean", false);
      if (place) return { kind: "read", type: "boolean", place };
      break;
    }
    case 6:
    case 7:
      return {
        kind: "logic",
        type: "boolean",
        op: pick(choices, ["&&", "||"] as const),
        left: boolExpr(context, less),
        right: boolExpr(context, less),
      };
    case 8:
      return { kind: "not", type: "boolean", value: boolExpr(context, less) };
    case 9: {
      const call = callExpr(context, "boolean", less);
      if (call) return call;
      const as = pick(choices, ["be16", "be32"] as const);
      const op = pick(choices, ["===", "!=="] as const);
      const left = wireExpr(context, as, less);
      return { kind: "compare", type: "boolean", as, op, left, right: wireExpr(context, as, less) };
    }
  }
  const as = pick(choices, ["u32", "i32", "u64", "i64"] as const);
  const { left, right } = operands(context, as, less);
  const op = pick(choices, ORDER);
  return {
    kind: "compare",
    type: "boolean",
    as,
    op,
    left: unnarrowed(context, left),
    right: unnarrowed(context, right),
  };
}

/** tsc gives these a literal type, and refuses to compare them with another literal. */
export function unnarrowed(context: Context, expr: Expr): Expr {
  const literalType =
    expr.kind === "assign" ||
    expr.kind === "conditional" ||
    (expr.kind === "read" && context.counters.some((counter) => counter.name === expr.place.root));
  return literalType ? { kind: "cast", type: expr.type as IntName, value: expr } : expr;
}
