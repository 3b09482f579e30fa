/** Operands to IR values: literals take a type, optional values are unwrapped, a store into a narrower type is checked. */
import { ts } from "ts-morph";
import { TCP_STATES } from "../bpf/tcp-states.ts";
import type { Value } from "../ir/ir.ts";
import type { IntLayout } from "../layout.ts";
import { LOCAL_ADDRESS } from "../local-addresses.ts";
import { isConstantExpression } from "./constant-expressions.ts";
import { at, fail, type Lowering } from "./lowering.ts";
import { stringCode } from "./module-state.ts";
import type { Operand, Scalar } from "./operand.ts";
import {
  BOOL,
  I32,
  I64,
  irType,
  isPrimitive,
  rangeOf,
  typeName,
  U32,
  U64,
  within,
  type DslType,
  type Range,
  type ScalarType,
  type StringType,
} from "./types.ts";
import { ROLES } from "./roles.ts";

/** Sides of a connection; the codes are the numbers of the established events. */
export const SIDE: StringType = {
  kind: "string",
  codes: new Map([
    ["client", 4n],
    ["server", 5n],
  ]),
};
/** TcpState; the codes are the kernel's. */
export const TCP_STATE: StringType = {
  kind: "string",
  codes: new Map(Object.entries(TCP_STATES).map(([name, number]) => [name, BigInt(number)])),
};

/** The type of strings that are one of these texts. */
export function stringType(f: Pick<Lowering, "state">, texts: readonly string[]): StringType {
  for (const known of [SIDE, TCP_STATE])
    if (texts.length > 0 && texts.every((text) => known.codes.has(text))) return known;
  return { kind: "string", codes: new Map(texts.map((text) => [text, stringCode(f.state, text)])) };
}

/** What an operand is, in the user's words. */
export function describe(operand: Operand): string {
  switch (operand.kind) {
    case "literal":
      return operand.wide ? `${operand.value}n` : `${operand.value}`;
    case "text":
      return JSON.stringify(operand.text);
    case "scalar":
      return typeName(operand.type);
    case "place":
      return typeName(operand.type);
    case "nullable":
      return `${operand.ref ? `Ref<${typeName(operand.of)}>` : typeName(operand.of)} | undefined`;
    case "optional":
      return `${typeName(operand.of)} | undefined`;
    case "ref":
      return `Ref<${typeName(operand.of)}>`;
    case "context":
      return `${ROLES[operand.role].name}${operand.nullable ? " | undefined" : ""}`;
    case "undefined":
      return "undefined";
    case "entity":
      return describeEntity(operand.entity.kind);
    case "error":
      return "an error";
  }
}
const describeEntity = (kind: string): string =>
  ({
    map: "a map",
    metric: "a metric",
    function: "a function",
    struct: "a struct class",
    layout: "a field type",
    program: "a program",
    object: "a constant record",
  })[kind] ?? "something that is no value";

/** The type that an integer literal has where nothing else decides. */
export const literalType = (value: bigint, wide: boolean): IntLayout =>
  wide ? (value < 0n ? I64 : U64) : value < 0n ? I32 : U32;

/** An integer constant of a type; reports when it does not fit. `wraps`: the complement of a literal counts as bits. */
export function literal(f: Lowering, value: bigint, type: IntLayout, node: ts.Node, wraps = false): Scalar | undefined {
  const range = rangeOf(type);
  let held = value;
  if (wraps && !type.signed && held < 0n) held = BigInt.asUintN(type.bits, held);
  if (held < range.min || held > range.max) {
    fail(f, "literal-range", node, { value: `${value}`, type: typeName(type), range: `${range.min} to ${range.max}` });
    return undefined;
  }
  return {
    kind: "scalar",
    type,
    value: f.b.constant(irType(type), held, at(f, node)),
    range: { min: held, max: held },
  };
}
export const boolean = (f: Lowering, value: boolean, node: ts.Node): Scalar => ({
  kind: "scalar",
  type: BOOL,
  value: f.b.constant("w32", value ? 1n : 0n, at(f, node)),
});

/** The value of an integer constant, signed where its type is. */
export function constantOf(f: Lowering, scalar: Scalar): bigint | undefined {
  const bits = f.b.constantOf(scalar.value);
  if (bits === undefined || scalar.type.kind !== "int" || !scalar.type.signed) return bits;
  return BigInt.asIntN(scalar.type.bits, bits);
}
/** What an integer can be: its own range where known, else its type's. */
export function knownRange(f: Lowering, scalar: Scalar): Range {
  const constant = constantOf(f, scalar);
  if (constant !== undefined) return { min: constant, max: constant };
  return scalar.range ?? (scalar.type.kind === "int" ? rangeOf(scalar.type) : { min: 0n, max: 0xffff_ffff_ffff_ffffn });
}

/**
 * The scalar behind an operand. Literals take `expected` where it is an integer type of their width, else their own type.
 * Optional values are unwrapped: that they are present was checked by the type checker.
 */
export function toScalar(f: Lowering, operand: Operand, node: ts.Node, expected?: DslType): Scalar | undefined {
  switch (operand.kind) {
    case "scalar":
      return operand;
    case "literal": {
      const fits = expected?.kind === "int" && (expected.bits === 64) === operand.wide;
      return literal(f, operand.value, fits ? expected : literalType(operand.value, operand.wide), node, operand.wraps);
    }
    case "text": {
      const type = expected?.kind === "string" ? expected : stringType(f, [operand.text]);
      const code = type.codes.get(operand.text);
      if (code === undefined)
        return void fail(f, "type-mismatch", node, {
          expected: typeName(type),
          found: describe(operand),
          ...meant(operand.text, [...type.codes.keys()]),
        });
      return { kind: "scalar", type, value: f.b.constant("w32", code, at(f, node)) };
    }
    case "optional":
      return {
        kind: "scalar",
        type: operand.of,
        value: operand.value,
        ...(operand.range ? { range: operand.range } : {}),
      };
    case "error":
      return undefined;
    default:
      return void fail(f, "not-a-value", node, { found: describe(operand) });
  }
}

/** The text that was meant: the same letters, but for case and what stands between them. */
function meant(text: string, known: readonly string[]): { readonly help?: string } {
  const plain = (one: string): string => one.replace(/[^a-z0-9]/gi, "").toLowerCase();
  const found = known.find((one) => plain(one) === plain(text));
  return found === undefined ? {} : { help: `write ${JSON.stringify(found)}` };
}

/** The byte-order function that an expression calls. */
export function byteOrderCall(node: ts.Node): string | undefined {
  let inner = node;
  while (ts.isParenthesizedExpression(inner)) inner = inner.expression;
  if (!ts.isCallExpression(inner)) return undefined;
  const callee = inner.expression;
  const name = ts.isIdentifier(callee) ? callee.text : ts.isPropertyAccessExpression(callee) ? callee.name.text : "";
  return /^(hton|ntoh)(s|l|ll)$/.test(name) ? name : undefined;
}

const mismatchHelp = (target: ScalarType, found: ScalarType): string | undefined => {
  if (target.kind === "be" && found.kind === "int")
    return target.bits === 16
      ? "convert it: htons(…)"
      : target.bits === 32
        ? "convert it: htonl(…)"
        : "convert it: htonll(…)";
  if (target.kind === "int" && found.kind === "be")
    return found.bits === 16
      ? "convert it: ntohs(…)"
      : found.bits === 32
        ? "convert it: ntohl(…)"
        : "convert it: ntohll(…)";
  if (target.kind === "int" && found.kind === "bool") return `convert it: ${typeName(target)}(…)`;
  if (target.kind === "bool" && found.kind === "int") return "compare it: … !== 0";
  return undefined;
};

/** A help for what no expression makes: an address of this host, where another thing is given. */
export const hostAddressHelp = (expected: DslType, found: Operand): { readonly help?: string } =>
  expected !== LOCAL_ADDRESS
    ? {}
    : {
        help:
          found.kind === "context" && found.role === "local"
            ? "pass its fields: local.addr, local.family"
            : "give it one of a loop: for (const local of session.localAddresses())",
      };

/** The value of an operand as `target`, for a variable, field, parameter or result of that type. Reports and gives undefined when it cannot be. */
export function convert(f: Lowering, operand: Operand, target: ScalarType, node: ts.Node): Value | undefined {
  if (operand.kind === "error") return undefined;
  const mismatch = (help?: string): undefined =>
    void fail(f, "type-mismatch", node, {
      expected: typeName(target),
      found: describe(operand),
      ...(help === undefined ? {} : { help }),
    });
  if (operand.kind === "literal") {
    if (target.kind !== "int") return mismatch(target.kind === "string" ? undefined : mismatchHelp(target, U32));
    if ((target.bits === 64) !== operand.wide) {
      return void fail(f, "mixed-width", node, {
        left: typeName(target),
        right: describe(operand),
        help: operand.wide ? `write ${operand.value}` : `write ${operand.value}n`,
        place: at(f, node),
      });
    }
    return literal(f, operand.value, target, node, operand.wraps)?.value;
  }
  if (operand.kind !== "scalar" && operand.kind !== "text" && operand.kind !== "optional") return mismatch();
  if (operand.kind === "text" && target.kind !== "string")
    return mismatch(
      target.kind === "be" && target.bits === 32
        ? "convert it: ipv4(…)"
        : target.kind === "int" && /^\d+$/.test(operand.text)
          ? `write ${operand.text}`
          : undefined,
    );
  const scalar = toScalar(f, operand, node, target);
  if (!scalar) return undefined;
  const swapped = byteOrderCall(node);
  if (
    swapped &&
    (target.kind === "be" ? scalar.type.kind === "int" : target.kind === "int" && scalar.type.kind === "be")
  )
    return mismatch(`leave out ${swapped}()`);
  if (target.kind === "int" && scalar.type.kind === "int") return convertInteger(f, scalar, scalar.type, target, node);
  if (target.kind === "be" && scalar.type.kind === "be" && target.bits === scalar.type.bits) return scalar.value;
  if (target.kind === "bool" && scalar.type.kind === "bool") return scalar.value;
  if (target.kind === "string" && scalar.type.kind === "string") {
    const { codes } = target;
    if ([...scalar.type.codes].every(([text, code]) => codes.get(text) === code)) return scalar.value;
  }
  return mismatch(mismatchHelp(target, scalar.type));
}

function convertInteger(
  f: Lowering,
  scalar: Scalar,
  from: IntLayout,
  target: IntLayout,
  node: ts.Node,
): Value | undefined {
  if ((from.bits === 64) !== (target.bits === 64)) {
    return void fail(f, "mixed-width", node, {
      left: typeName(target),
      right: typeName(from),
      help: `convert it on purpose: ${typeName(target)}(…)`,
      place: at(f, node),
    });
  }
  const range = knownRange(f, scalar);
  const wanted = rangeOf(target);
  if (within(range, wanted)) return scalar.value;
  // Of a value that is only known, the proof says whether control comes here at all.
  const outside = range.min > wanted.max || range.max < wanted.min;
  if (outside && f.b.reachable() && isConstantExpression(f, node)) {
    const shown = range.min === range.max ? `${range.min}` : `${range.min} to ${range.max}`;
    return void fail(f, "literal-range", node, {
      value: shown,
      type: typeName(target),
      range: `${wanted.min} to ${wanted.max}`,
    });
  }
  return f.b.assumeFits(scalar.value, from.signed, wanted.min, wanted.max, typeName(target), at(f, node));
}

/** `u8(x)` and its like: keeps the low bits; widening follows the sign of the source. */
export function cast(f: Lowering, operand: Operand, target: IntLayout, node: ts.Node): Operand {
  const span = at(f, node);
  if (operand.kind === "literal") {
    const bits = target.signed ? BigInt.asIntN(target.bits, operand.value) : BigInt.asUintN(target.bits, operand.value);
    return literal(f, bits, target, node) ?? { kind: "error" };
  }
  const scalar = toScalar(f, operand, node);
  if (!scalar) return { kind: "error" };
  if (scalar.type.kind === "be") {
    const help = scalar.type.bits === 16 ? "ntohs(…)" : scalar.type.bits === 32 ? "ntohl(…)" : "ntohll(…)";
    return fail(f, "type-mismatch", node, {
      expected: "an integer in host byte order",
      found: typeName(scalar.type),
      help: `convert the byte order: ${help}`,
    });
  }
  if (scalar.type.kind === "string")
    return fail(f, "type-mismatch", node, { expected: "an integer", found: "a string" });
  const from: IntLayout = scalar.type.kind === "bool" ? U32 : scalar.type;
  const range: Range = scalar.type.kind === "bool" ? { min: 0n, max: 1n } : knownRange(f, scalar);
  let value = scalar.value;
  if (from.bits === 64 && target.bits !== 64) value = f.b.unary("trunc", value, span);
  if (from.bits !== 64 && target.bits === 64) value = f.b.unary(from.signed ? "sext" : "zext", value, span);
  const fits = within(range, rangeOf(target));
  if (!fits && target.bits < 32)
    value = f.b.binary("and", value, f.b.constant("w32", (1n << BigInt(target.bits)) - 1n, span), span);
  return { kind: "scalar", type: target, value, ...(fits ? { range } : {}) };
}

/** Is it an integer or a literal of one? */
export const isNumeric = (operand: Operand): boolean =>
  operand.kind === "literal" ||
  (operand.kind === "scalar" && operand.type.kind === "int") ||
  (operand.kind === "optional" && operand.of.kind === "int");

/** The type of an operand as a variable would have it; undefined where a variable cannot hold it. */
export function typeOf(operand: Operand): DslType | undefined {
  switch (operand.kind) {
    case "literal":
      return literalType(operand.value, operand.wide);
    case "scalar":
      return operand.type;
    case "place":
      return operand.type;
    case "nullable":
      return isPrimitive(operand.of)
        ? { kind: "optional", of: operand.of, ref: true }
        : { kind: "optional", of: operand.of };
    case "optional":
      return { kind: "optional", of: operand.of };
    case "ref":
      return { kind: "ref", of: operand.of };
    case "context":
      return {
        kind: "context",
        role: operand.role,
        ...(operand.state ? { state: operand.state } : {}),
        ...(operand.nullable ? { nullable: true } : {}),
      };
    case "undefined":
      return { kind: "undefined" };
    default:
      return undefined;
  }
}
