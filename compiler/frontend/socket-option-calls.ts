/** `setSockOpt` and `getSockOpt` on a connection. */
import { ts } from "ts-morph";
import {
  isKnownTo,
  neverTaken,
  SOCKET_OPTIONS,
  UNIFIED,
  type SocketOption,
  type SocketOptionName,
} from "../bpf/socket-options.ts";
import { SOCK_OPS_EVENTS, SOCK_OPS_FIELDS } from "../bpf/kinds/sock-ops.ts";
import type { Version } from "../bpf/verifier-rules.ts";
import type { Label } from "../ir/build.ts";
import type { Value } from "../ir/ir.ts";
import { sizeOf } from "../layout.ts";
import { argumentsOf } from "./arguments.ts";
import { errno } from "./context-fields.ts";
import { fieldType } from "./declare.ts";
import { at, bare, fail, pointerTo, scratch, type Lowering } from "./lowering.ts";
import { asPlace, newSlot } from "./memory.ts";
import { need, sayTooNew } from "./module-state.ts";
import { ERROR, originOf, placeAlign, type Context, type Operand } from "./operand.ts";
import { ROLES, type Role } from "./roles.ts";
import { namePointer } from "./strings.ts";
import { BOOL, U32, type Aggregate } from "./types.ts";
import { convert, describe } from "./values.ts";
import { expression } from "./visit.ts";

type Call = "set" | "get";
/** A socket option with its name. */
type Known = SocketOption & { readonly name: SocketOptionName };

/** Where not every option may be set: in the middle of TCP's work most would call it again. */
const ALONE: Readonly<Partial<Record<Role, readonly SocketOptionName[]>>> = { tcpSock: ["TCP_CONGESTION"] };

/** The name of a socket option as written; reports anything but one that is known and can be set or read here. */
function socketOption(f: Lowering, context: Context, node: ts.Expression, use: Call): Known | undefined {
  const text = bare(node);
  if (!ts.isStringLiteralLike(text))
    return void fail(f, "literal-needed", node, { what: "the name of a socket option", example: '"TCP_USER_TIMEOUT"' });
  const { kind } = ROLES[context.role];
  const of = ALONE[context.role];
  const usable = (Object.entries(SOCKET_OPTIONS) as [SocketOptionName, SocketOption][]).filter(
    ([name, row]) =>
      row[use] !== undefined && (row.only === undefined || row.only === kind) && (!of || of.includes(name)),
  );
  const found = usable.find(([name]) => name === text.text);
  if (!found) {
    const known = usable.map(([name]) => name);
    return void fail(f, "socket-option", node, { name: text.text, use, known });
  }
  const option: Known = { ...found[1], name: found[0] };
  return isThere(f, option, use, node) ? option : undefined;
}

/** Reports an option that some kernel of the target has not got in this call; false then. */
function isThere(f: Lowering, option: Known, use: Call, node: ts.Node): boolean {
  const span = at(f, node);
  const what = use === "set" ? option.name : `reading ${option.name}`;
  if (option.needs && !need(f.state, option.needs, span, option.name)) return false;
  const since = option[use];
  if (since === UNIFIED) return need(f.state, "unified-socket-options", span, what);
  if (isKnownTo(option, use, f.state.kernel.oldest)) return true;
  // What is neither "always" nor "refused" has a version.
  sayTooNew(f.state, span, what, since as Version);
  return false;
}

/** Bytes that hold a value. */
const NAME_BYTES = 16;
const NUMBER_BYTES = 4;
const NAMED = {
  name: { what: "the name of a congestion control", example: "cubic" },
  device: { what: "the name of a device", example: "eth0" },
} as const;
const word = (f: Lowering, n: number, node: ts.Node): Value => f.b.constant("w32", BigInt(n), at(f, node));

export function setSockOpt(f: Lowering, context: Context, call: ts.CallExpression): Operand {
  const args = argumentsOf(f, call, "setSockOpt", 2);
  if (!args) return ERROR;
  const [nameNode, valueNode] = args as [ts.Expression, ts.Expression];
  const option = socketOption(f, context, nameNode, "set");
  if (!option) return ERROR;
  if (option.sends && isLeaving(f)) return fail(f, "socket-option-sends", call, { name: option.name });
  const isName = option.value === "name" || option.value === "device";
  const pointer = isName ? nameValue(f, NAMED[option.value], valueNode) : numberValue(f, option, valueNode);
  if (!pointer) return ERROR;
  ignoredErrno(f, call, option.name);
  const size = isName ? NAME_BYTES : NUMBER_BYTES;
  const values = [word(f, option.level, call), word(f, option.number, call), pointer, word(f, size, call)];
  const set = (): Value => f.b.call("setsockopt", [context.ctx, ...values], "w64", at(f, call));
  return errno(f, option.sends && mayBeLeaving(f, context) ? unlessLeaving(f, context, set, call) : set(), call);
}

/** Handlers that run while a segment is made: what is sent there comes back to them. */
const LEAVING: ReadonlySet<string | undefined> = new Set(["length", "write"]);
const isLeaving = (f: Lowering): boolean => LEAVING.has(f.handler);
/** Functions do not know who calls them, and the low level is asked of every event. */
const mayBeLeaving = (f: Lowering, context: Context): boolean =>
  ROLES[context.role].kind === "sock_ops" && (f.handler === undefined || f.handler === "sockOps");

const EOPNOTSUPP = -95;
/** Mainline's two events of a segment that is made, one after the other. The patched kernel refuses by itself in those of its own. */
const { HeaderOptionLength: FIRST_LEAVING } = SOCK_OPS_EVENTS;
const LEAVING_EVENTS = 2;
/** Does it in any other event; where a segment is being made, the answer is what the patched kernel gives. */
function unlessLeaving(f: Lowering, context: Context, run: () => Value, node: ts.Node): Value {
  const span = at(f, node);
  const op = f.b.load("w32", 4, context.ctx, SOCK_OPS_FIELDS.op.offset, span, "op");
  const result = { type: "w64" as const, name: "result" };
  const [other, done] = [f.b.label(), f.b.label()];
  f.b.set(result, f.b.constant("w64", BigInt(EOPNOTSUPP), span));
  const event = f.b.binary("sub", op, word(f, FIRST_LEAVING.op, node), span);
  f.b.branch("ult", event, word(f, LEAVING_EVENTS, node), done, other, span);
  f.b.place(other);
  f.b.set(result, run());
  f.b.jump(done, span);
  f.b.place(done);
  const answer = f.b.get(result);
  f.b.forget(result);
  return answer;
}

function nameValue(f: Lowering, { what, example }: (typeof NAMED)["name" | "device"], node: ts.Expression) {
  const operand = expression(f, node);
  const isPlace = operand.kind === "nullable" || operand.kind === "place";
  const place = isPlace ? asPlace(f, operand, node) : undefined;
  if (place && (place.type.kind !== "cstring" || place.type.size !== NAME_BYTES))
    return void fail(f, "type-mismatch", node, {
      expected: `${what}, or cstring(${NAME_BYTES})`,
      found: describe(operand),
    });
  if (operand.kind === "literal" || (operand.kind === "scalar" && operand.type.kind === "int"))
    return void fail(f, "type-mismatch", node, {
      expected: what,
      found: describe(operand),
      help: `write its name: "${example}"`,
    });
  return place ? pointerTo(f, place, at(f, node)) : namePointer(f, operand, NAME_BYTES, node);
}

function numberValue(f: Lowering, option: Known, node: ts.Expression): Value | undefined {
  const type = option.value === "bool" ? BOOL : U32;
  const value = convert(f, expression(f, node, type), type, node);
  if (!value || !checkOptionValue(f, option.name, value, node)) return undefined;
  const pointer = scratch(f, NUMBER_BYTES, NUMBER_BYTES, "sockopt", at(f, node));
  f.b.store(NUMBER_BYTES, pointer, 0, value, at(f, node));
  return pointer;
}

/** Reports a constant that no kernel takes; false then. */
export function checkOptionValue(f: Lowering, name: SocketOptionName, value: Value, node: ts.Node): boolean {
  const range = (SOCKET_OPTIONS[name] as SocketOption).takes;
  const known = f.b.constantOf(value);
  if (!range || known === undefined || !neverTaken(range, Number(known))) return true;
  const { least, most } = range;
  fail(f, "socket-option-value", node, { name, value: Number(known), least: Math.max(least, 0), most });
  return false;
}

/**
 * `length` and `write` run for every segment, and the kernel refuses an initial window once data was sent: setting it there without looking
 * at the result is a mistake that nobody would ever see.
 */
function ignoredErrno(f: Lowering, call: ts.CallExpression, name: string): void {
  if (isLeaving(f) && ts.isExpressionStatement(call.parent)) fail(f, "ignored-errno", call, { name });
}

export function getSockOpt(f: Lowering, context: Context, call: ts.CallExpression): Operand {
  const args = argumentsOf(f, call, "getSockOpt", 2, 1);
  const option = args && socketOption(f, context, args[0]!, "get");
  if (!option) return ERROR;
  if (option.value === "header") return readHeader(f, context, option, call);
  if (!argumentsOf(f, call, "getSockOpt", 1)) return ERROR;
  return option.value === "name" ? readName(f, context, option, call) : readNumber(f, context, option, call);
}

/** Calls the helper; its result as 32 bits. */
function ask(f: Lowering, context: Context, option: Known, pointer: Value, size: number, node: ts.Node): Value {
  const values = [word(f, option.level, node), word(f, option.number, node), pointer, word(f, size, node)];
  return f.b.unary("trunc", f.b.call("getsockopt", [context.ctx, ...values], "w64", at(f, node)), at(f, node));
}

function readNumber(f: Lowering, context: Context, option: Known, call: ts.CallExpression): Operand {
  const span = at(f, call);
  const pointer = scratch(f, NUMBER_BYTES, NUMBER_BYTES, "sockopt", span);
  f.b.store(NUMBER_BYTES, pointer, 0, word(f, 0, call), span);
  const status = ask(f, context, option, pointer, NUMBER_BYTES, call);
  const present = f.b.compare("eq", status, word(f, 0, call), span);
  const value = f.b.load("w32", NUMBER_BYTES, pointer, 0, span);
  return option.value === "bool"
    ? { kind: "optional", of: BOOL, present, value: f.b.compare("ne", value, word(f, 0, call), span) }
    : { kind: "optional", of: U32, present, value };
}

/** A pointer to what was read, or null: `there` decides, given the helper's result. */
function readInto(
  f: Lowering,
  context: Context,
  option: Known,
  layout: Aggregate,
  call: ts.CallExpression,
  there: (result: Value, yes: Label, no: Label) => void,
): Operand {
  const memory = newSlot(f, layout, "sockopt", call);
  if (!memory) return ERROR;
  const span = at(f, call);
  const size = sizeOf(layout);
  f.b.zero(memory.base, memory.offset, size, memory.align, span);
  const result = ask(f, context, option, memory.base, size, call);
  const pointer = { type: "ptr slot" as const, name: "sockopt" };
  const [yes, done] = [f.b.label(), f.b.label()];
  f.b.set(pointer, f.b.constant("ptr slot", 0n, span));
  there(result, yes, done);
  f.b.place(yes);
  f.b.set(pointer, memory.base);
  f.b.jump(done, span);
  f.b.place(done);
  const found = f.b.get(pointer);
  f.b.forget(pointer);
  return { kind: "nullable", of: layout, pointer: found, align: placeAlign(memory), ...originOf(memory) };
}

function readName(f: Lowering, context: Context, option: Known, call: ts.CallExpression): Operand {
  return readInto(f, context, option, { kind: "cstring", size: NAME_BYTES }, call, (result, yes, no) =>
    f.b.branch("eq", result, word(f, 0, call), yes, no, at(f, call)),
  );
}

const ENOSPC = -28;
/** The first bytes of a segment's headers, as a struct. */
function readHeader(f: Lowering, context: Context, option: Known, call: ts.CallExpression): Operand {
  const args = argumentsOf(f, call, "getSockOpt", 2);
  const layout = args && fieldType(f, args[1]!);
  if (!layout) return ERROR;
  if (layout.kind !== "struct")
    return fail(f, "type-mismatch", call.arguments[1]!, { expected: "a struct class", found: layout.kind });
  const span = at(f, call);
  return readInto(f, context, option, layout, call, (result, yes, no) => {
    // TCP_SAVED_SYN answers 0, or refuses where there are fewer bytes; the others say how many there are, or that there are more.
    if (option.name === "TCP_SAVED_SYN") return f.b.branch("eq", result, word(f, 0, call), yes, no, span);
    const other = f.b.label();
    f.b.branch("eq", result, word(f, sizeOf(layout), call), yes, other, span);
    f.b.place(other);
    f.b.branch("eq", result, f.b.constant("w32", BigInt(ENOSPC >>> 0), span), yes, no, span);
  });
}
