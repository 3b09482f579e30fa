/** The functions of the language: casts, byte order, min and max, addresses, time, atomics. */
import { ts } from "ts-morph";
import type { Value } from "../ir/ir.ts";
import { type BigEndianLayout, type IntLayout, sizeOf } from "../layout.ts";
import { SOCKET_OPTIONS } from "../bpf/socket-options.ts";
import { parseIpv4, parseIpv6, parsePrefix } from "../addresses.ts";
import { argumentsOf } from "./arguments.ts";
import { CONGESTION_CALLS } from "./congestion-calls.ts";
import { checkOptionValue } from "./socket-option-calls.ts";
import { boolOf } from "./arithmetic.ts";
import { comparison } from "./comparisons.ts";
import { memoryOf } from "./access.ts";
import { stringPlace } from "./aggregates.ts";
import { constantInteger, fieldType } from "./declare.ts";
import { at, bare, fail, scratch, silent, type Lowering } from "./lowering.ts";
import { constantBytes, need } from "./module-state.ts";
import { ERROR, placeAlign, type Operand } from "./operand.ts";
import { PROGRAM_KINDS } from "./program-kinds.ts";
import { roleRow } from "./roles.ts";
import { join } from "./shapes.ts";
import { BE16, BE32, BE64, I32, IP6, PRIMITIVES, rangeOf, typeName, U16, U32, U64, U8, type DslType } from "./types.ts";
import { cast, convert, describe, isNumeric, knownRange, literal } from "./values.ts";
import { expression } from "./visit.ts";
import { logTemplate } from "./remedies.ts";

type Builtin = (f: Lowering, call: ts.CallExpression, expected?: DslType) => Operand;

/** Host to network byte order. */
const toNetwork =
  (name: string, from: IntLayout, to: BigEndianLayout, swap: "bswap16" | "bswap32" | "bswap64"): Builtin =>
  (f, call) => {
    const args = argumentsOf(f, call, name, 1);
    const operand = args ? expression(f, args[0]!, from) : ERROR;
    if (operand.kind === "scalar" && operand.type.kind === "be")
      return fail(f, "converted-twice", call, { name, type: typeName(operand.type) });
    const value = args && convert(f, operand, from, args[0]!);
    return value ? { kind: "scalar", type: to, value: f.b.unary(swap, value, at(f, call)) } : ERROR;
  };
/** Network to host byte order. */
const toHost =
  (name: string, from: BigEndianLayout, to: IntLayout, swap: "bswap16" | "bswap32" | "bswap64"): Builtin =>
  (f, call) => {
    const args = argumentsOf(f, call, name, 1);
    const operand = args ? expression(f, args[0]!) : ERROR;
    if (args && isNumeric(operand)) return fail(f, "host-order-already", call, { name, found: describe(operand) });
    const value = args && convert(f, operand, from, args[0]!);
    return value ? { kind: "scalar", type: to, value: f.b.unary(swap, value, at(f, call)), range: rangeOf(to) } : ERROR;
  };

/** min and max: both arguments have one type, like the sides of a comparison. */
const extreme =
  (name: "min" | "max"): Builtin =>
  (f, call, expected) => {
    const args = argumentsOf(f, call, name, 2);
    if (!args) return ERROR;
    const a = expression(f, args[0]!, expected);
    const b = expression(f, args[1]!, expected);
    if (a.kind === "error" || b.kind === "error") return ERROR;
    if (a.kind === "literal" && b.kind === "literal" && a.wide === b.wide)
      return a.value < b.value === (name === "min") ? a : b;
    return choose(f, a, b, name, call);
  };

const clamp: Builtin = (f, call, expected) => {
  const args = argumentsOf(f, call, "clamp", 3);
  if (!args) return ERROR;
  const value = expression(f, args[0]!, expected);
  const low = expression(f, args[1]!, expected);
  const high = expression(f, args[2]!, expected);
  const lower = choose(f, value, low, "max", call);
  return choose(f, lower, high, "min", call);
};
/** The larger or smaller of two evaluated operands. */
function choose(f: Lowering, a: Operand, b: Operand, which: "min" | "max", node: ts.CallExpression): Operand {
  const found =
    a.kind === "error" || b.kind === "error"
      ? undefined
      : comparison(f, ts.SyntaxKind.LessThanToken, a, b, node, node, node);
  if (!found) return ERROR;
  const yes = f.b.label();
  const no = f.b.label();
  f.b.branch(found.op, found.left, found.right, yes, no, at(f, node));
  const [first, second] = which === "min" ? [a, b] : [b, a];
  const result = join(
    f,
    [
      { label: yes, operand: first, node },
      { label: no, operand: second, node },
    ],
    node,
  );
  if (result.kind !== "scalar" || result.type.kind !== "int") return result;
  const [x, y] = [a, b].map((one) =>
    one.kind === "literal" ? { min: one.value, max: one.value } : knownRange(f, one as never),
  );
  const pick = (u: bigint, v: bigint): bigint => (u < v === (which === "min") ? u : v);
  return { ...result, range: { min: pick(x!.min, y!.min), max: pick(x!.max, y!.max) } };
}

/** A text argument that must be a literal. */
function textOf(f: Lowering, node: ts.Expression, what: string, example: string): string | undefined {
  const text = bare(node);
  if (ts.isStringLiteralLike(text)) return text.text;
  return void fail(f, "literal-needed", node, { what, example });
}

const ipv4: Builtin = (f, call) => {
  const args = argumentsOf(f, call, "ipv4", 1);
  const text = args && textOf(f, args[0]!, "an IPv4 address", '"192.0.2.1"');
  if (text === undefined) return ERROR;
  const bits = parseIpv4(text);
  if (bits === undefined) return fail(f, "bad-address", args![0]!, { text, example: "192.0.2.1" });
  return { kind: "scalar", type: BE32, value: f.b.constant("w32", bits, at(f, call)) };
};

const ipv6: Builtin = (f, call) => {
  const args = argumentsOf(f, call, "ipv6", 1);
  const text = args && textOf(f, args[0]!, "an IPv6 address", '"2001:db8::1"');
  if (text === undefined) return ERROR;
  const bytes = parseIpv6(text);
  if (!bytes) return fail(f, "bad-address", args![0]!, { text, example: "2001:db8::1" });
  const variable = constantBytes(f.state, "ip6", IP6, bytes, at(f, call));
  return {
    kind: "place",
    type: IP6,
    at: { base: f.b.global(variable.name, at(f, call)), offset: 0, align: 4, readOnly: "it is a constant" },
  };
};

const inPrefix: Builtin = (f, call) => {
  const args = argumentsOf(f, call, "inPrefix", 2);
  if (!args) return ERROR;
  const address = convert(f, expression(f, args[0]!, BE32), BE32, args[0]!);
  const text = textOf(f, args[1]!, "an IPv4 prefix", '"10.0.0.0/8"');
  if (!address || text === undefined) return ERROR;
  const prefix = parsePrefix(text);
  if (!prefix) return fail(f, "bad-address", args[1]!, { text, example: "10.0.0.0/8" });
  if (prefix.hostBits) return fail(f, "prefix-host-bits", args[1]!, { text, network: prefix.network });
  const span = at(f, call);
  const masked = f.b.binary("and", address, f.b.constant("w32", prefix.mask, span), span);
  return boolOf(f.b.compare("eq", masked, f.b.constant("w32", prefix.bits, span), span));
};

const cstr: Builtin = (f, call) => {
  const args = argumentsOf(f, call, "cstr", 2);
  const text = args && textOf(f, args[0]!, "a string constant", '"cubic"');
  const size = args && constantInteger(f, args[1]!, "the size of a string");
  if (text === undefined || size === undefined) return ERROR;
  if (size < 1 || size > 4096)
    return fail(f, "count-range", args![1]!, { what: "the size of a string", found: `${size}`, range: "1 to 4096" });
  return stringPlace(f, text, size, call) ?? ERROR;
};

const sizeOfType: Builtin = (f, call) => {
  const args = argumentsOf(f, call, "sizeOf", 1);
  const layout = args && fieldType(f, args[0]!);
  return (layout && literal(f, BigInt(sizeOf(layout)), U32, call)) ?? ERROR;
};

/** `atomicAdd(counters, "packets", 1n)`, `atomicAdd(ref, "value", 1n)`: adds in one step, also against other CPUs. */
const atomicAdd: Builtin = (f, call) => {
  const args = argumentsOf(f, call, "atomicAdd", 3);
  const name = args && textOf(f, args[1]!, "the name of a field", '"packets"');
  if (!args || name === undefined) return ERROR;
  const operand = expression(f, args[0]!);
  if (operand.kind === "error") return ERROR;
  const found = memoryOf(f, operand, name, call);
  if (!found) return fail(f, "no-member", args[1]!, { name, found: describe(operand) });
  const { layout, memory } = found;
  if (layout.kind !== "int" || layout.bits < 32 || placeAlign(memory) < layout.bits / 8) {
    return fail(f, "atomic-field", args[1]!, { name, found: typeName(layout) });
  }
  if (memory.readOnly) return fail(f, "read-only", args[0]!, { why: memory.readOnly });
  const value = convert(f, expression(f, args[2]!, layout), layout, args[2]!);
  if (!value) return ERROR;
  f.b.atomic("add", (layout.bits / 8) as 4 | 8, memory.base, memory.offset, value, at(f, call));
  return { kind: "undefined" };
};

/** setDelayedAck: longest delay in microseconds, and how many full segments force an ACK. */
const setDelayedAck: Builtin = (f, call) => {
  need(f.state, "delayed-ack-options", at(f, call), "setDelayedAck()");
  const args = argumentsOf(f, call, "setDelayedAck", 3);
  if (!args) return ERROR;
  const conn = expression(f, args[0]!);
  const delay = convert(f, expression(f, args[1]!, U32), U32, args[1]!);
  const segments = convert(f, expression(f, args[2]!, U8), U8, args[2]!);
  if (!delay || !segments || conn.kind === "error") return ERROR;
  if (conn.kind !== "context" || !roleRow(conn.role).socket || roleRow(conn.role).kind !== "sock_ops")
    return fail(f, "type-mismatch", args[0]!, { expected: "a connection", found: describe(conn) });
  if (!checkOptionValue(f, "TCP_DELACK_MAX_US", delay, args[1]!)) return ERROR;
  const span = at(f, call);
  const set = (name: "TCP_DELACK_MAX_US" | "TCP_DELACK_SEGS", value: Value): Value => {
    const pointer = scratch(f, 4, 4, "sockopt", span);
    f.b.store(4, pointer, 0, value, span);
    const option = SOCKET_OPTIONS[name];
    const word = (n: number): Value => f.b.constant("w32", BigInt(n), span);
    return f.b.unary(
      "trunc",
      f.b.call("setsockopt", [conn.ctx, word(option.level), word(option.number), pointer, word(4)], "w64", span),
      span,
    );
  };
  // The first failure is the result.
  const first = set("TCP_DELACK_MAX_US", delay);
  const status = { type: "w32" as const };
  const next = f.b.label();
  const done = f.b.label();
  f.b.set(status, first);
  f.b.branch("eq", first, f.b.constant("w32", 0n, span), next, done, span);
  f.b.place(next);
  f.b.set(status, set("TCP_DELACK_SEGS", segments));
  f.b.jump(done, span);
  f.b.place(done);
  const value = f.b.get(status);
  f.b.forget(status);
  return { kind: "scalar", type: I32, value, range: { min: -4095n, max: 0n } };
};

const BUILTINS: Readonly<Record<string, Builtin>> = {
  htons: toNetwork("htons", U16, BE16, "bswap16"),
  htonl: toNetwork("htonl", U32, BE32, "bswap32"),
  htonll: toNetwork("htonll", U64, BE64, "bswap64"),
  ntohs: toHost("ntohs", BE16, U16, "bswap16"),
  ntohl: toHost("ntohl", BE32, U32, "bswap32"),
  ntohll: toHost("ntohll", BE64, U64, "bswap64"),
  min: extreme("min"),
  max: extreme("max"),
  clamp,
  ipv4,
  ipv6,
  inPrefix,
  cstr,
  sizeOf: sizeOfType,
  atomicAdd,
  setDelayedAck,
  ktimeNs: (f, call) =>
    runTime(f, call, "ktimeNs")
      ? { kind: "scalar", type: U64, value: f.b.call("ktime_get_ns", [], "w64", at(f, call)) }
      : ERROR,
  randomU32: (f, call) =>
    runTime(f, call, "randomU32")
      ? {
          kind: "scalar",
          type: U32,
          value: f.b.unary("trunc", f.b.call("get_prandom_u32", [], "w64", at(f, call)), at(f, call)),
        }
      : ERROR,
  // Last, so that types refuse a name that is in both.
  ...CONGESTION_CALLS,
};

function runTime(f: Lowering, call: ts.CallExpression, name: string): boolean {
  if (f.constantOnly) fail(f, "not-constant", call, { what: `${name}()` });
  return !f.constantOnly && argumentsOf(f, call, name, 0) !== undefined;
}

const TOP_LEVEL: readonly string[] = [
  "struct",
  "array",
  "cstring",
  "param",
  "metric",
  "license",
  ...Object.keys(PROGRAM_KINDS),
];

/** Functions of the language by name: each has a place where a call of it is lowered. `log` and `range` have theirs in statements. */
export const builtinNames = (): readonly string[] => [
  ...Object.keys(PRIMITIVES).filter((name) => PRIMITIVES[name]?.kind === "int"),
  ...Object.keys(BUILTINS),
  ...TOP_LEVEL,
  "log",
  "range",
];

export function builtinCall(f: Lowering, name: string, call: ts.CallExpression, expected?: DslType): Operand {
  const type = Object.hasOwn(PRIMITIVES, name) ? PRIMITIVES[name] : undefined;
  if (type?.kind === "int") {
    const args = argumentsOf(f, call, name, 1);
    return args ? cast(f, expression(f, args[0]!), type, call) : ERROR;
  }
  if (Object.hasOwn(BUILTINS, name)) return BUILTINS[name]!(f, call, expected);
  if (TOP_LEVEL.includes(name)) return fail(f, "top-level-only", call, { name });
  if (name === "log") {
    const text = call.arguments[0] && bare(call.arguments[0]);
    const template = text && (ts.isTemplateExpression(text) || ts.isNoSubstitutionTemplateLiteral(text));
    const shown = template ? text.getText(f.file.tree).slice(0, 60) : undefined;
    const plain = text && ts.isStringLiteral(text) ? `\`${text.text.slice(0, 60)}\`` : "`text ${value}`";
    const all = call.arguments.length > 1 ? logTemplate(f.file, call.arguments) : undefined;
    return fail(f, "log-call", call, { text: all ?? shown ?? plain });
  }
  if (name === "range")
    return fail(f, "range-outside-loop", call, {
      call: call.arguments.length > 0 ? call.getText(f.file.tree).slice(0, 40) : "range(4)",
    });
  return silent(f, call); // not a name of the module: the type checker says so
}
