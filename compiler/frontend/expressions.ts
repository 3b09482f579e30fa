/** Expressions: one function that knows every form, and sends each to the file of its family. */
import { ts } from "ts-morph";
import type { Label } from "../ir/build.ts";
import { alignOf } from "../layout.ts";
import { property, element, optionalChain } from "./access.ts";
import { arrayLiteralLayout, build } from "./aggregates.ts";
import { binary, boolOf, COMPOUND, OPERATORS, unary } from "./arithmetic.ts";
import { comparison, COMPARISONS } from "./comparisons.ts";
import { assign, assignCompound, increment } from "./assign.ts";
import { call } from "./calls.ts";
import { compare, condition, logical, mayBeMissing, ternary } from "./conditions.ts";
import { testInstead, testText } from "./edits.ts";
import type { Entity } from "./entities.ts";

import { unlessCheckerFails } from "./checker-failure.ts";
import { presentValue } from "./knowledge.ts";
import { at, bare, fail, lookup, silent, type Lowering } from "./lowering.ts";
import { log } from "./log.ts";
import { read } from "./memory.ts";
import { entityAt, resolveName } from "./names.ts";
import { ERROR, UNDEFINED, type Operand } from "./operand.ts";
import { irType, isAggregate, type DslType } from "./types.ts";
import { boolean } from "./values.ts";
import { factorInIntegers, missingTest } from "./remedies.ts";

const K = ts.SyntaxKind;

/** What is not in the language, by syntax kind: what it is called, and what to write instead. */
const NOT_IN_BPF: ReadonlyMap<ts.SyntaxKind, readonly [what: string, instead: string]> = new Map([
  [K.AwaitExpression, ["await", "BPF programs run to completion: call the function directly"]],
  [K.YieldExpression, ["yield", "write a loop over range(…)"]],
  [K.DeleteExpression, ["delete", "store 0, or remove a key with map.delete(key)"]],
  [K.TypeOfExpression, ["typeof", "types are known at compile time"]],
  [K.RegularExpressionLiteral, ["a regular expression", "compare numbers; there are no strings at run time"]],
  [K.ClassExpression, ["a class expression", "declare it at the top level: class S extends struct({ … }) {}"]],
  [K.ThisKeyword, ["this", "handlers and functions get what they need as parameters"]],
  [K.SuperKeyword, ["super", "structs have no methods"]],
  [K.NullKeyword, ["null", "write undefined"]],
  [K.MetaProperty, ["import.meta", "the program runs in the kernel"]],
  [K.JsxElement, ["JSX", "write an expression"]],
]);

/** Lowers an expression. `expected` is the type that its place wants: it types literals and object literals. */
export function expression(f: Lowering, node: ts.Expression, expected?: DslType): Operand {
  switch (node.kind) {
    case K.NumericLiteral:
      return number(f, node as ts.NumericLiteral);
    case K.BigIntLiteral:
      return { kind: "literal", value: BigInt((node as ts.BigIntLiteral).text.replace(/n$/, "")), wide: true };
    case K.StringLiteral:
    case K.NoSubstitutionTemplateLiteral:
      return { kind: "text", text: (node as ts.StringLiteral).text };
    case K.TemplateExpression:
      return fail(f, "string-built", node, undefined);
    case K.TrueKeyword:
    case K.FalseKeyword:
      return boolean(f, node.kind === K.TrueKeyword, node);
    case K.Identifier:
      return identifier(f, node as ts.Identifier);
    case K.ParenthesizedExpression:
      return expression(f, (node as ts.ParenthesizedExpression).expression, expected);
    case K.SatisfiesExpression:
      return expression(f, (node as ts.SatisfiesExpression).expression, expected);
    case K.VoidExpression:
      expression(f, (node as ts.VoidExpression).expression);
      return UNDEFINED;
    case K.ConditionalExpression:
      return ternary(f, node as ts.ConditionalExpression, expected);
    case K.PrefixUnaryExpression:
      return prefix(f, node as ts.PrefixUnaryExpression);
    case K.PostfixUnaryExpression: {
      const { operand, operator } = node as ts.PostfixUnaryExpression;
      return increment(f, node, operand, operator === K.PlusPlusToken, "before");
    }
    case K.BinaryExpression:
      return binaryExpression(f, node as ts.BinaryExpression, expected);
    case K.PropertyAccessExpression:
    case K.ElementAccessExpression:
    case K.CallExpression:
      return chain(f, node as ts.PropertyAccessExpression | ts.ElementAccessExpression | ts.CallExpression, expected);
    case K.NewExpression:
      return construct(f, node as ts.NewExpression);
    case K.ObjectLiteralExpression:
      if (expected && expected.kind === "struct") return build(f, expected, node, "record") ?? ERROR;
      return untypedObject(f, node as ts.ObjectLiteralExpression);
    case K.ArrayLiteralExpression: {
      const layout =
        expected && isAggregate(expected) ? expected : arrayLiteralLayout(f, node as ts.ArrayLiteralExpression);
      return (layout && build(f, layout, node, "list")) ?? ERROR;
    }
    case K.NonNullExpression:
      fail(f, "non-null-assertion", node, {
        test: testText(f.file, (node as ts.NonNullExpression).expression),
        fix: testInstead(f.file, node as ts.NonNullExpression),
      });
      return expression(f, (node as ts.NonNullExpression).expression, expected);
    case K.AsExpression:
    case K.TypeAssertionExpression:
      return assertion(f, node as ts.AsExpression | ts.TypeAssertion, expected);
    case K.ArrowFunction:
    case K.FunctionExpression:
      return fail(f, "closure", node, undefined);
    case K.TaggedTemplateExpression:
      return log(f, node as ts.TaggedTemplateExpression);
    case K.SpreadElement:
      return fail(f, "spread", node, { of: "list" });
    default: {
      const [what, instead] = NOT_IN_BPF.get(node.kind) ?? [
        "this expression",
        "use integers, structs, maps and helper functions",
      ];
      return fail(f, "not-in-bpf", node, { what, instead });
    }
  }
}

function number(f: Lowering, node: ts.NumericLiteral): Operand {
  const value = Number(node.text);
  if (!Number.isInteger(value)) {
    const checker = f.state.project.program().getTypeChecker();
    const product = factorInIntegers(f.file, node, (other) => {
      const type = unlessCheckerFails(() => checker.getTypeAtLocation(other));
      // A u64 is a bigint, and says besides how wide it is.
      const parts = type?.isIntersection() ? type.types : [type];
      return parts.some((one) => one !== undefined && (one.flags & ts.TypeFlags.BigIntLike) !== 0);
    });
    return fail(f, "fraction", node, {
      text: node.getText(f.file.tree).slice(0, 40),
      whole: `${Number.isFinite(value) ? Math.trunc(value) : 0}`,
      ...(product && { product }),
    });
  }
  if (!Number.isSafeInteger(value))
    return fail(f, "literal-range", node, {
      value: node.getText(f.file.tree).slice(0, 40),
      type: "a number literal",
      range: "below 2^53; write larger ones with n",
    });
  return { kind: "literal", value: BigInt(value), wide: false };
}

function identifier(f: Lowering, node: ts.Identifier): Operand {
  const local = lookup(f, node.text);
  if (local?.kind === "operand") return local.operand;
  if (local) return presentValue(f, local);
  if (node.text === "undefined") return UNDEFINED;
  const entity = resolveName(f.state, f.file, node.text);
  if (entity) return entityOperand(f, entity, node);
  if (Object.hasOwn(JAVASCRIPT, node.text))
    return fail(f, "javascript-global", node, { name: node.text, instead: JAVASCRIPT[node.text]! });
  // Names that nobody declared are the type checker's to report, with its list of similar names.
  return silent(f, node);
}

/** JavaScript's globals, and what there is instead. */
const JAVASCRIPT: Readonly<Record<string, string>> = {
  console: "print with log`text ${value}` from tsbpf",
  Math: "integers only: min, max, clamp and randomU32 are in tsbpf",
  Date: "take the time from ktimeNs() of tsbpf",
  JSON: "there is no heap and no string handling: declare a struct",
  Map: "declare new HashMap({ key, value, maxEntries }) at the top level",
  Set: "declare new HashMap({ key, value: u8, maxEntries }) at the top level",
  WeakMap: "declare new SkStorage({ value }) at the top level",
  Array: "use a struct field of type array(T, n)",
  Object: "declare a struct",
  Number: "convert with u32(…)",
  BigInt: "convert with u64(…)",
  Boolean: "compare: … !== 0",
  String: "there are no strings at run time: print with log`text ${value}`",
  Symbol: "compare numbers or string constants",
  Promise: "BPF programs run to completion: call functions directly",
  Error: "BPF cannot throw: return early",
  Infinity: "integers only: use the largest value of the type",
  NaN: "integers only",
  parseInt: "there are no strings at run time",
  isNaN: "integers only",
  setTimeout:
    "programs are driven by kernel events; in a path manager session.setTimer(ms) has timer(session, …) called",
  setInterval:
    "programs are driven by kernel events; in a path manager session.setTimer(ms) has timer(session, …) called",
  fetch: "programs are driven by kernel events",
  process: "the program runs in the kernel, not in Node: use param(u32, 0) for settings",
  require: "import at the top of the file",
  Buffer: "use a struct field of type array(u8, n)",
  globalThis: "name what you need",
};

/** A top-level entity as a value. */
export function entityOperand(f: Lowering, entity: Entity, node: ts.Node): Operand {
  switch (entity.kind) {
    case "error":
      return silent(f, node);
    case "constant":
      if (entity.type && entity.bits !== undefined) {
        return {
          kind: "scalar",
          type: entity.type,
          value: f.b.constant(irType(entity.type), entity.bits, at(f, node)),
        };
      }
      if (entity.operand.kind === "place") {
        const { base } = entity.operand.at;
        return { ...entity.operand, at: { ...entity.operand.at, base: f.b.global(base.name!, at(f, node)) } };
      }
      return entity.operand;
    case "global": {
      const base = f.b.global(entity.name, at(f, node));
      const { layout } = entity.variable;
      const readOnly = entity.variable.param ? "it is a param: only the loader sets it" : "it is a constant";
      const root = { kind: "global" as const, name: entity.name };
      const memory = {
        base,
        offset: 0,
        align: alignOf(layout),
        root,
        from: 0,
        ...(entity.mutable ? {} : { readOnly }),
      };
      const found = read(f, layout, memory, node, entity.name);
      return found.kind === "scalar" && (entity.type.kind === "bool" || entity.type.kind === "string")
        ? { kind: "scalar", type: entity.type, value: found.value }
        : found;
    }
    default:
      return { kind: "entity", entity };
  }
}
function chain(
  f: Lowering,
  node: ts.PropertyAccessExpression | ts.ElementAccessExpression | ts.CallExpression,
  expected?: DslType,
): Operand {
  if (node.flags & ts.NodeFlags.OptionalChain) return optionalChain(f, node, expected);
  return link(f, node, expected);
}
/** One step of a chain, without its `?.`. */
export function link(
  f: Lowering,
  node: ts.PropertyAccessExpression | ts.ElementAccessExpression | ts.CallExpression,
  expected?: DslType,
): Operand {
  if (ts.isCallExpression(node)) return call(f, node, expected);
  return ts.isPropertyAccessExpression(node) ? property(f, node) : element(f, node);
}

function prefix(f: Lowering, node: ts.PrefixUnaryExpression): Operand {
  if (node.operator === K.PlusPlusToken || node.operator === K.MinusMinusToken) {
    return increment(f, node, node.operand, node.operator === K.PlusPlusToken, "after");
  }
  if (node.operator === K.ExclamationToken) return asBoolean(f, node);
  return unary(f, node.operator, expression(f, node.operand), node);
}

/** A condition as 0 or 1. */
export const asBoolean = (f: Lowering, node: ts.Expression): Operand =>
  chosen(f, node, (yes, no) => condition(f, node, yes, no));

/** 1 where `decide` jumps to its first label, 0 where it jumps to its second. */
function chosen(f: Lowering, node: ts.Expression, decide: (yes: Label, no: Label) => void): Operand {
  const yes = f.b.label();
  const no = f.b.label();
  const done = f.b.label();
  const result = { type: "w32" as const };
  decide(yes, no);
  for (const [label, value] of [
    [yes, 1n],
    [no, 0n],
  ] as const) {
    f.b.place(label);
    f.b.set(result, f.b.constant("w32", value, at(f, node)));
    f.b.jump(done, at(f, node));
  }
  f.b.place(done);
  const value = f.b.get(result);
  f.b.forget(result);
  return boolOf(value);
}

function binaryExpression(f: Lowering, node: ts.BinaryExpression, expected?: DslType): Operand {
  const token = node.operatorToken.kind;
  if (token === K.EqualsToken) return assign(f, node);
  if (COMPOUND.has(token)) return assignCompound(f, node, COMPOUND.get(token)!);
  if (token === K.AmpersandAmpersandToken || token === K.BarBarToken || token === K.QuestionQuestionToken)
    return logical(f, node, expected);
  if (token === K.CommaToken) {
    expression(f, node.left);
    return expression(f, node.right, expected);
  }
  if (token === K.EqualsEqualsToken || token === K.ExclamationEqualsToken) {
    fail(f, "loose-equality", node.operatorToken, {
      found: token === K.EqualsEqualsToken ? "==" : "!=",
      ...(missingTest(f.file, node) ?? { instead: token === K.EqualsEqualsToken ? "===" : "!==" }),
    });
    return ERROR;
  }
  if (COMPARISONS.has(token)) return compareValue(f, node);
  if (OPERATORS.has(token)) return arithmetic(f, node);
  const text = node.operatorToken.getText(f.file.tree);
  const instead =
    token === K.AsteriskAsteriskToken
      ? "multiply, or shift: 1 << n"
      : /\?\?=|&&=|\|\|=/.test(text)
        ? "write it with if"
        : "use comparisons and maps";
  return fail(f, "not-in-bpf", node, { what: `the operator ${text}`, instead });
}

/** `a + b + c`: a long sum is a tree as deep as it is long, so the way down its left side is a loop. */
function arithmetic(f: Lowering, node: ts.BinaryExpression): Operand {
  const spine: ts.BinaryExpression[] = [];
  let first: ts.Expression = node;
  for (; ts.isBinaryExpression(first) && OPERATORS.has(first.operatorToken.kind); first = bare(first.left))
    spine.push(first);
  let value = expression(f, first);
  for (const one of spine.reverse())
    value = binary(f, one.operatorToken.kind, value, expression(f, one.right), one, one.left, one.right);
  return value;
}

function compareValue(f: Lowering, node: ts.BinaryExpression): Operand {
  const left = bare(node.left);
  const right = bare(node.right);
  const isUndefined = (one: ts.Expression): boolean => ts.isIdentifier(one) && one.text === "undefined";
  if (isUndefined(left) || isUndefined(right)) return asBoolean(f, node);
  const l = expression(f, node.left);
  const r = expression(f, node.right);
  if (l.kind === "text" && r.kind === "text")
    return boolean(f, (l.text === r.text) === (node.operatorToken.kind === K.EqualsEqualsEqualsToken), node);
  if (mayBeMissing(l) || mayBeMissing(r)) {
    const sides = [l, r].map((operand, index) => ({ operand, node: index === 0 ? node.left : node.right }));
    return chosen(f, node, (yes, no) => compare(f, node.operatorToken.kind, sides[0]!, sides[1]!, node, yes, no));
  }
  const found = comparison(f, node.operatorToken.kind, l, r, node, node.left, node.right);
  return found ? boolOf(f.b.compare(found.op, found.left, found.right, at(f, node))) : ERROR;
}

function construct(f: Lowering, node: ts.NewExpression): Operand {
  const entity = entityAt(f, node.expression);
  if (entity?.kind === "struct") return build(f, entity.layout, node, entity.layout.name) ?? ERROR;
  if (entity?.kind === "builtin" && /^[A-Z]/.test(entity.name)) return fail(f, "map-not-constant", node, undefined);
  if (entity?.kind === "error") return ERROR;
  const name = bare(node.expression);
  if (ts.isIdentifier(name) && Object.hasOwn(JAVASCRIPT, name.text))
    return fail(f, "javascript-global", node, { name: name.text, instead: JAVASCRIPT[name.text]! });
  return fail(f, "not-in-bpf", node, {
    what: `new ${node.expression.getText(f.file.tree).slice(0, 30)}`,
    instead: "there is no heap: declare a struct or a map at the top level",
  });
}

function untypedObject(f: Lowering, node: ts.ObjectLiteralExpression): Operand {
  const spread = node.properties.find((one) => ts.isSpreadAssignment(one));
  return spread ? fail(f, "spread", spread, { of: "record" }) : fail(f, "untyped-object", node, undefined);
}

function assertion(f: Lowering, node: ts.AsExpression | ts.TypeAssertion, expected?: DslType): Operand {
  if (ts.isTypeReferenceNode(node.type) && node.type.getText(f.file.tree) === "const")
    return expression(f, node.expression, expected);
  const type = node.type.getText(f.file.tree).slice(0, 30);
  const cast = /^(u8|u16|u32|u64|i32|i64)$/.test(type)
    ? `${type}(…)`
    : /^be(16|32|64)$/.test(type)
      ? type === "be16"
        ? "htons(…)"
        : type === "be32"
          ? "htonl(…)"
          : "htonll(…)"
      : undefined;
  return fail(f, "assertion", node, { type, ...(cast ? { cast } : {}) });
}
