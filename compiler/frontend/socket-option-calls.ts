/** `setSockOpt` and `getSockOpt` on a connection. */
import { ts } from "ts-morph";
import { neverTaken, SOCKET_OPTIONS, type SocketOption, type SocketOptionName } from "../bpf/socket-options.ts";
import type { Value } from "../ir/ir.ts";
import { argumentsOf } from "./arguments.ts";
import { errno } from "./context-fields.ts";
import { at, bare, fail, pointerTo, scratch, type Lowering } from "./lowering.ts";
import { asPlace } from "./memory.ts";
import { need } from "./module-state.ts";
import { ERROR, type Context, type Operand } from "./operand.ts";
import { namePointer } from "./strings.ts";
import { U32 } from "./types.ts";
import { convert, describe } from "./values.ts";
import { expression } from "./visit.ts";

/** The name of a socket option as written; reports anything but one that is known and can be set or read. */
function socketOption(f: Lowering, node: ts.Expression, use: "set" | "get") {
  const text = bare(node);
  if (!ts.isStringLiteralLike(text))
    return void fail(f, "literal-needed", node, { what: "the name of a socket option", example: '"TCP_USER_TIMEOUT"' });
  const option = Object.entries(SOCKET_OPTIONS).find(([name]) => name === text.text);
  if (!option || !(use in option[1])) {
    const known = Object.entries(SOCKET_OPTIONS).flatMap(([name, row]) => (use in row ? [name] : []));
    return void fail(f, "socket-option", node, { name: text.text, use, known });
  }
  const [name, row] = option;
  return !("needs" in row) || need(f.state, row.needs, at(f, node), name)
    ? { ...row, name: name as SocketOptionName }
    : undefined;
}

export function setSockOpt(f: Lowering, context: Context, call: ts.CallExpression): Operand {
  const args = argumentsOf(f, call, "setSockOpt", 2);
  if (!args) return ERROR;
  const [nameNode, valueNode] = args as [ts.Expression, ts.Expression];
  const option = socketOption(f, nameNode, "set");
  if (!option) return ERROR;
  const span = at(f, call);
  let pointer: Value | undefined;
  const size = option.value === "name" ? 16 : 4;
  if (option.value === "name") {
    const operand = expression(f, valueNode);
    const isPlace = operand.kind === "nullable" || operand.kind === "place";
    const place = isPlace ? asPlace(f, operand, valueNode) : undefined;
    if (place && (place.type.kind !== "cstring" || place.type.size !== 16)) {
      return fail(f, "type-mismatch", valueNode, {
        expected: "a name of a congestion control, or cstring(16)",
        found: describe(operand),
      });
    }
    if (operand.kind === "literal" || (operand.kind === "scalar" && operand.type.kind === "int")) {
      return fail(f, "type-mismatch", valueNode, {
        expected: "the name of a congestion control",
        found: describe(operand),
        help: 'write its name: conn.setSockOpt("TCP_CONGESTION", "cubic")',
      });
    }
    pointer = place ? pointerTo(f, place, span) : namePointer(f, operand, 16, valueNode);
  } else {
    const value = convert(f, expression(f, valueNode, U32), U32, valueNode);
    if (value && !checkOptionValue(f, option.name, value, valueNode)) return ERROR;
    if (value) {
      pointer = scratch(f, 4, 4, "sockopt", span);
      f.b.store(4, pointer, 0, value, at(f, valueNode));
    }
  }
  if (!pointer) return ERROR;
  ignoredErrno(f, call, option.name);
  const word = (n: number): Value => f.b.constant("w32", BigInt(n), span);
  return errno(
    f,
    f.b.call("setsockopt", [context.ctx, word(option.level), word(option.number), pointer, word(size)], "w64", span),
    call,
  );
}

/** Reports a constant that no kernel takes; false then. */
export function checkOptionValue(f: Lowering, name: SocketOptionName, value: Value, node: ts.Node): boolean {
  const range = (SOCKET_OPTIONS[name] as SocketOption).takes;
  const known = f.b.constantOf(value);
  if (!range || known === undefined || !neverTaken(range, Number(known))) return true;
  const { least, most } = range;
  fail(f, "socket-option-value", node, { name, value: Number(known), least, most });
  return false;
}

/**
 * `write` runs for every segment, and the kernel refuses an initial window once data was sent: setting it there without looking
 * at the result is a mistake that nobody would ever see.
 */
function ignoredErrno(f: Lowering, call: ts.CallExpression, name: string): void {
  if (f.handler === "write" && ts.isExpressionStatement(call.parent)) fail(f, "ignored-errno", call, { name });
}

export function getSockOpt(f: Lowering, context: Context, call: ts.CallExpression): Operand {
  const args = argumentsOf(f, call, "getSockOpt", 1);
  const option = args && socketOption(f, args[0]!, "get");
  if (!option) return ERROR;
  if (option.name === "TCP_USER_TIMEOUT") need(f.state, "user-timeout-get", at(f, call), "reading TCP_USER_TIMEOUT");
  const span = at(f, call);
  const pointer = scratch(f, 4, 4, "sockopt", span);
  f.b.store(4, pointer, 0, f.b.constant("w32", 0n, span), span);
  const word = (n: number): Value => f.b.constant("w32", BigInt(n), span);
  const result = f.b.call(
    "getsockopt",
    [context.ctx, word(option.level), word(option.number), pointer, word(4)],
    "w64",
    span,
  );
  const status = f.b.unary("trunc", result, span);
  const present = f.b.compare("eq", status, f.b.constant("w32", 0n, span), span);
  return { kind: "optional", of: U32, present, value: f.b.load("w32", 4, pointer, 0, span) };
}
