/** What handlers are given: fields of the kernel's context, and the calls on it. */
import { ts } from "ts-morph";
import { SOCK_OPS_FIELDS, type SockOpsField } from "../bpf/kinds/sock-ops.ts";
import { neverTaken, SOCKET_OPTIONS, type SocketOption, type SocketOptionName } from "../bpf/socket-options.ts";
import type { Type, Value } from "../ir/ir.ts";
import { FIELD_POINTERS } from "../ir/types.ts";
import { expression } from "./expressions.ts";
import { argumentsOf } from "./arguments.ts";
import { readCell, writeCell } from "./cells.ts";
import { at, bare, fail, type Lowering, pointerTo, scratch } from "./lowering.ts";
import { asPlace, newSlot } from "./memory.ts";
import { need } from "./module-state.ts";
import { mptcpCall } from "./mptcp-calls.ts";
import { headerOptionCall } from "./header-option-calls.ts";
import { ERROR, UNDEFINED, type Context, type Operand, type Scalar, type WordCell } from "./operand.ts";
import { namePointer } from "./strings.ts";
import { BE16, BE32, BOOL, I32, ROLE_NAMES, U16, U32, U64, U8, type Role, type ScalarType } from "./types.ts";
import { convert, describe, TCP_STATE } from "./values.ts";

/** One property of a context and how it is computed from the kernel's field. */
interface ContextProperty {
  readonly field: SockOpsField;
  /** Element of `args` and the like. */
  readonly index?: number;
  readonly type: ScalarType;
  /** `srtt` is shifted left by 3; a port lies in the upper half; host order is turned to network order. */
  readonly convert?: "shift-3" | "upper-half" | "to-be16" | "not-zero";
}
const plain = (field: SockOpsField, type: ScalarType = U32): ContextProperty => ({ field, type });
const arg = (index: number, type: ScalarType, how?: ContextProperty["convert"]): ContextProperty => ({
  field: "args",
  index,
  type,
  ...(how ? { convert: how } : {}),
});

const CONNECTION: Readonly<Record<string, ContextProperty>> = {
  localIp4: plain("local_ip4", BE32),
  remoteIp4: plain("remote_ip4", BE32),
  localPort: plain("local_port", U16),
  remotePort: { field: "remote_port", type: BE16, convert: "upper-half" },
  family: plain("family"),
  state: plain("state", TCP_STATE),
  dataSegsIn: plain("data_segs_in"),
  dataSegsOut: plain("data_segs_out"),
  segsIn: plain("segs_in"),
  segsOut: plain("segs_out"),
  sndCwnd: plain("snd_cwnd"),
  sndSsthresh: plain("snd_ssthresh"),
  mss: plain("mss_cache"),
  srttUs: { field: "srtt_us", type: U32, convert: "shift-3" },
  rttMinUs: plain("rtt_min"),
  totalRetrans: plain("total_retrans"),
  packetsOut: plain("packets_out"),
  retransOut: plain("retrans_out"),
  lostOut: plain("lost_out"),
  sackedOut: plain("sacked_out"),
  sndNxt: plain("snd_nxt"),
  sndUna: plain("snd_una"),
  rcvNxt: plain("rcv_nxt"),
  rateDelivered: plain("rate_delivered"),
  rateIntervalUs: plain("rate_interval_us"),
  bytesAcked: plain("bytes_acked", U64),
  bytesReceived: plain("bytes_received", U64),
};
const SESSION: Readonly<Record<string, ContextProperty>> = {
  token: plain("mptcp_loc_token"),
  remoteToken: plain("mptcp_rem_token"),
  localKey: plain("mptcp_loc_key", U64),
  remoteKey: plain("mptcp_rem_key", U64),
  flags: plain("mptcp_flags"),
};
const EVENT: Readonly<Record<string, ContextProperty>> = {
  op: plain("op"),
  optionsLength: arg(1, U32),
  isMaster: arg(1, BOOL, "not-zero"),
  addressId: arg(1, U8),
  error: arg(3, U32),
  localId: arg(0, U8),
  remoteId: arg(1, U8),
  backup: arg(2, BOOL, "not-zero"),
  backoff: arg(0, U32),
  rtoJiffies: arg(1, U32),
  timedOut: arg(2, BOOL, "not-zero"),
  oldState: arg(0, TCP_STATE),
  newState: arg(1, TCP_STATE),
};
const ADDRESS: Readonly<Record<string, ContextProperty>> = {
  addr: arg(0, BE32),
  port: arg(1, BE16, "to-be16"),
  id: arg(2, U8),
  family: arg(3, U32),
};
/** The properties of each role, by name. */
const PROPERTIES: Readonly<Record<Role, Readonly<Record<string, ContextProperty>>>> = {
  conn: CONNECTION,
  option: CONNECTION,
  session: { ...CONNECTION, ...SESSION },
  remote: ADDRESS,
  local: ADDRESS,
  ctx: { ...CONNECTION, ...SESSION, ...EVENT },
};
/** IPv6 addresses: four words in network order. */
const IP6: Readonly<Record<string, SockOpsField>> = {
  localIp6: "local_ip6",
  remoteIp6: "remote_ip6",
  addr6: "mptcp_addr6",
};

export function contextField(f: Lowering, context: Context, name: string, node: ts.PropertyAccessExpression): Operand {
  const properties = PROPERTIES[context.role];
  if (Object.hasOwn(properties, name)) return loadProperty(f, context.ctx, properties[name]!, node, name);
  const isAddress = context.role === "remote" || context.role === "local";
  if (Object.hasOwn(IP6, name) && (name === "addr6") === isAddress) return ip6(f, context.ctx, IP6[name]!, node, name);
  if (name === "remote" && context.role === "ctx") return { kind: "context", role: "remote", ctx: context.ctx };
  if (METHODS[context.role].includes(name))
    return fail(f, "method-as-value", node.name, { name, found: ROLE_NAMES[context.role] });
  const known = membersOf(f, node.expression) ?? Object.keys(properties);
  return fail(f, "no-member", node.name, { name, found: ROLE_NAMES[context.role], known });
}

/** What an expression has in this event and on this target, as the declarations say; methods with parentheses. */
function membersOf(f: Lowering, node: ts.Expression): string[] | undefined {
  const checker = f.state.project.program().getTypeChecker();
  const type = checker.getTypeAtLocation(node);
  const found = type.getProperties().flatMap((one) => {
    if (one.name.startsWith("__")) return [];
    const callable = checker.getTypeOfSymbolAtLocation(one, node).getCallSignatures().length > 0;
    return [callable ? `${one.name}()` : one.name];
  });
  return found.length > 0 ? found : undefined;
}

/** Loads a field of the context; an 8-byte one as w64. */
export function loadContext(
  f: Lowering,
  ctx: Value,
  field: SockOpsField,
  node: ts.Node,
  index = 0,
  name?: string,
): Value {
  const { offset, bytes, ...more } = SOCK_OPS_FIELDS[field];
  if ("needs" in more) need(f.state, more.needs, at(f, node), name ?? field);
  const type: Type = "pointer" in more ? FIELD_POINTERS[more.pointer] : bytes === 8 ? "w64" : "w32";
  return f.b.load(type, bytes, ctx, offset + index * bytes, at(f, node), name);
}

function loadProperty(f: Lowering, ctx: Value, found: ContextProperty, node: ts.Node, name: string): Scalar {
  const span = at(f, node);
  const value = loadContext(f, ctx, found.field, node, found.index ?? 0, name);
  const type = found.type;
  switch (found.convert) {
    case "shift-3":
      return {
        kind: "scalar",
        type,
        value: f.b.binary("lshr", value, f.b.constant("w32", 3n, span), span),
        range: { min: 0n, max: 0x1fff_ffffn },
      };
    case "upper-half":
      return { kind: "scalar", type, value: f.b.binary("lshr", value, f.b.constant("w32", 16n, span), span) };
    case "to-be16":
      return { kind: "scalar", type, value: f.b.unary("bswap16", value, span) };
    case "not-zero":
      return { kind: "scalar", type, value: f.b.compare("ne", value, f.b.constant("w32", 0n, span), span) };
    default:
      // The kernel's word holds no more than the type says (ports, ids).
      return { kind: "scalar", type, value };
  }
}

/** Copied to the stack, because a pointer into the context cannot be passed around. */
function ip6(f: Lowering, ctx: Value, field: SockOpsField, node: ts.Node, name: string): Operand {
  const layout = { kind: "array", of: BE32, length: 4 } as const;
  const memory = newSlot(f, layout, name, node);
  if (!memory) return ERROR;
  for (let word = 0; word < 4; word++)
    f.b.store(4, memory.base, 4 * word, loadContext(f, ctx, field, node, word, name), at(f, node));
  // A write to it would be lost: the next access reads the kernel's field anew.
  return { kind: "place", type: layout, at: { ...memory, readOnly: `${name} belongs to the kernel` }, fresh: true };
}

/** `ctx.reply = n`. */
export function setReply(f: Lowering, context: Context, operand: Operand, node: ts.Node): Operand {
  const value = convert(f, operand, I32, node);
  if (value) f.b.store(4, context.ctx, SOCK_OPS_FIELDS.args.offset, value, at(f, node));
  return value ? { kind: "scalar", type: I32, value } : ERROR;
}

/** Result of a helper that gives 0 or a negative errno. */
export const errno = (f: Lowering, result: Value, node: ts.Node): Scalar => ({
  kind: "scalar",
  type: I32,
  value: f.b.unary("trunc", result, at(f, node)),
  range: { min: -4095n, max: 0n },
});

/** What can be called, for errors. */
const METHODS: Readonly<Record<Role, readonly string[]>> = {
  conn: ["setSockOpt", "getSockOpt"],
  option: ["setSockOpt", "getSockOpt", "startWriting", "stopWriting"],
  session: ["setSockOpt", "getSockOpt", "openSubflow", "closeSubflow", "setPriority"],
  remote: [],
  local: [],
  ctx: ["setSockOpt", "getSockOpt", "setCallbacks", "reserveOption", "storeOption", "loadOption"],
};

/** A method call on a context. */
export function contextCall(f: Lowering, context: Context, name: string, call: ts.CallExpression): Operand {
  if (context.role !== "remote" && context.role !== "local") {
    if (name === "setSockOpt") return setSockOpt(f, context, call);
    if (name === "getSockOpt") return getSockOpt(f, context, call);
  }
  if (context.role === "option" && (name === "startWriting" || name === "stopWriting")) {
    setWriting(f, context, name === "startWriting", call);
    return UNDEFINED;
  }
  const found = context.role === "session" || context.role === "ctx" ? mptcpCall(f, context, name, call) : undefined;
  if (found) return found;
  const lowLevel = context.role === "ctx" ? headerOptionCall(f, context, name, call) : undefined;
  if (lowLevel) return lowLevel;
  const node = (call.expression as ts.PropertyAccessExpression).name;
  if (Object.hasOwn(PROPERTIES[context.role], name)) return fail(f, "not-a-function", node, { name, found: "a field" });
  return fail(f, "no-member", node, {
    name,
    found: ROLE_NAMES[context.role],
    known:
      membersOf(f, (call.expression as ts.PropertyAccessExpression).expression) ??
      METHODS[context.role].map((one) => `${one}()`),
  });
}

/** Notes what is wanted last; it is carried out when the handler has returned. */
function setWriting(f: Lowering, context: Context, on: boolean, node: ts.Node): void {
  const span = at(f, node);
  if (!context.wish) return;
  const note = (cell: WordCell, wanted: bigint): void => {
    // A constant that stands there already would only be one more value to join.
    if (cell.kind === "variable" && f.b.constantOf(readCell(f.b, cell, span)) === wanted) return;
    writeCell(f.b, cell, f.b.constant("w32", wanted, span), span);
  };
  note(context.wish.start, on ? 1n : 0n);
  note(context.wish.stop, on ? 0n : 1n);
}

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
  return need(f.state, row.needs, at(f, node), name) ? { ...row, name: name as SocketOptionName } : undefined;
}

function setSockOpt(f: Lowering, context: Context, call: ts.CallExpression): Operand {
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

function getSockOpt(f: Lowering, context: Context, call: ts.CallExpression): Operand {
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
