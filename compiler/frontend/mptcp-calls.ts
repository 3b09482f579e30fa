/** Calls on an MPTCP session: open and close subflows, set their priority. */
import { ts } from "ts-morph";
import type { HelperName } from "../bpf/helpers.ts";
import type { Value } from "../ir/ir.ts";
import { argumentsOf } from "./arguments.ts";
import { propertyValue } from "./aggregates.ts";
import { errno } from "./context-fields.ts";
import { at, bare, fail, scratch, type Lowering } from "./lowering.ts";
import { need } from "./module-state.ts";
import { ERROR, type Context, type Operand } from "./operand.ts";
import { AF_INET, AF_INET6, sockaddr, SOCKADDR, type Endpoint } from "./socket-address.ts";
import { BE16, BOOL, U32 } from "./types.ts";
import { convert } from "./values.ts";
import { expression } from "./visit.ts";

type Path = { readonly [side in "from" | "to"]?: Endpoint };
/** What `openSubflow` is asked for. */
interface Wanted extends Path {
  readonly backup?: Value;
}

function subflow(f: Lowering, context: Context, helper: HelperName, name: string, call: ts.CallExpression): Operand {
  const args = argumentsOf(f, call, name, 1, 1);
  const path = args && pathOf(f, args[0], name);
  if (!path) return ERROR;
  const span = at(f, call);
  if (path.backup) return backupSubflow(f, context, path, path.backup, call);
  const ends = (["from", "to"] as const).map((side) =>
    path[side] ? sockaddr(f, path[side], scratch(f, 28, 4, side, span), 0) : null,
  );
  if (ends.includes(undefined)) return ERROR;
  const pass = ends.flatMap((end) => [
    end?.pointer ?? f.b.constant("ptr slot", 0n, span),
    f.b.constant("w32", BigInt(end?.bytes ?? 0), span),
  ]);
  return errno(f, f.b.call(helper, [context.ctx, ...pass], "w64", span), call);
}

/** `openSubflow({ from, to, backup })`: opened, and then its priority set, in this order by the session's worker. */
function backupSubflow(f: Lowering, context: Context, path: Wanted, backup: Value, call: ts.CallExpression): Operand {
  if (!path.from || !path.to)
    return fail(f, "missing-field", call.arguments[0] ?? call, {
      name: path.from ? "to" : "from",
      type: "SubflowPath with backup",
    });
  need(f.state, "helper:mptcp-set-priority", at(f, call), "openSubflow() of a backup");
  const ends = pathMemory(f, path, call);
  if (!ends) return ERROR;
  const span = at(f, call);
  const size = (bytes: number): Value => f.b.constant("w32", BigInt(bytes), span);
  const to = f.b.ptradd(ends.pointer, f.b.constant("w64", BigInt(ends.bytes), span), span);
  const result = { type: "w64" as const, name: "result" };
  const [opened, wanted, done] = [f.b.label(), f.b.label(), f.b.label()];
  const none = f.b.constant("w64", 0n, span);
  f.b.set(
    result,
    f.b.call("mptcp_open_subflow", [context.ctx, ends.pointer, size(ends.bytes), to, size(ends.bytes)], "w64", span),
  );
  f.b.branch("eq", f.b.get(result), none, opened, done, span);
  f.b.place(opened);
  f.b.branch("ne", backup, size(0), wanted, done, span);
  f.b.place(wanted);
  f.b.set(
    result,
    f.b.call("mptcp_set_priority", [context.ctx, ends.pointer, size(2 * ends.bytes), size(1)], "w64", span),
  );
  f.b.jump(done, span);
  f.b.place(done);
  const answer = f.b.get(result);
  f.b.forget(result);
  return errno(f, answer, call);
}

/** `{ from: { addr, port }, to: { … } }`, evaluated in its order; `backup` of openSubflow alone. */
function pathOf(f: Lowering, written: ts.Expression | undefined, name: string): Wanted | undefined {
  if (!written) return {};
  const node = bare(written);
  if (ts.isIdentifier(node) && node.text === "undefined") return {};
  if (!ts.isObjectLiteralExpression(node)) {
    return void fail(f, "literal-needed", written, {
      what: `the path of ${name}`,
      example: "{ from: { addr }, to: { addr, port } }",
    });
  }
  const path: { from?: Endpoint; to?: Endpoint; backup?: Value } = {};
  const known = name === "openSubflow" ? ["from", "to", "backup"] : ["from", "to"];
  for (const property of node.properties) {
    const side = propertyValue(f, property);
    if (!side) return undefined;
    if (!known.includes(side.name))
      return void fail(f, "unknown-field", property, { name: side.name, type: "SubflowPath", known });
    if (side.name === "backup") {
      const backup = convert(f, expression(f, side.value, BOOL), BOOL, side.value);
      if (!backup) return undefined;
      if (f.b.constantOf(backup) !== 0n) path.backup = backup;
      continue;
    }
    const name = side.name as "from" | "to";
    const end = endpoint(f, side.value, name);
    if (!end) return undefined;
    path[name] = end;
  }
  return path;
}

/** What is written for an end of a path. `announced`: for an address of this host. */
const ENDS = {
  from: { what: "an end of a path", example: "{ addr: local.addr }" },
  to: { what: "an end of a path", example: "{ addr: session.remoteIp4, port: session.remotePort }" },
  announced: { what: "an address of this host", example: "{ addr: local.addr }" },
} as const;

function endpoint(f: Lowering, written: ts.Expression, end: keyof typeof ENDS): Endpoint | undefined {
  const node = bare(written);
  if (!ts.isObjectLiteralExpression(node)) return void fail(f, "literal-needed", written, ENDS[end]);
  let addr: Operand | undefined;
  let addrNode: ts.Expression = node;
  let port: Value | undefined;
  for (const property of node.properties) {
    const found = propertyValue(f, property);
    if (!found) return undefined;
    if (found.name === "addr") {
      addr = expression(f, found.value);
      addrNode = found.value;
      if (addr.kind === "error") return undefined;
    } else if (found.name === "port") {
      const operand = expression(f, found.value);
      port = operand.kind === "undefined" ? undefined : convert(f, operand, BE16, found.value);
      if (!port && operand.kind !== "undefined") return undefined;
    } else
      return void fail(f, "unknown-field", property, { name: found.name, type: "Endpoint", known: ["addr", "port"] });
  }
  if (!addr) return void fail(f, "missing-field", node, { name: "addr", type: "Endpoint" });
  return { addr, addrNode, ...(port ? { port } : {}) };
}

/** Two socket addresses of one family, one after the other; an end that is not given is zeros. `bytes` of each. */
function pathMemory(
  f: Lowering,
  path: Path,
  call: ts.CallExpression,
): { readonly pointer: Value; readonly bytes: number } | undefined {
  const span = at(f, call);
  const pointer = scratch(f, 56, 4, "path", span);
  const wide = [path.from, path.to].some((end) => end && end.addr.kind !== "scalar");
  const { bytes } = SOCKADDR[wide ? 6 : 4];
  for (const [index, end] of [path.from, path.to].entries()) {
    if (end) {
      const made = sockaddr(f, end, pointer, index * bytes);
      if (!made) return undefined;
      if (made.bytes !== bytes) return void fail(f, "mixed-families", call, undefined);
    } else {
      f.b.zero(pointer, index * bytes, bytes, 4, span);
      f.b.store(2, pointer, index * bytes, f.b.constant("w32", wide ? AF_INET6 : AF_INET, span), span);
    }
  }
  return { pointer, bytes };
}

/** `setPriority("backup", path?)`: without a path it is the subflow of the event. */
function setPriority(f: Lowering, context: Context, call: ts.CallExpression): Operand {
  const args = argumentsOf(f, call, "setPriority", 2, 1);
  if (!args) return ERROR;
  const span = at(f, call);
  const backup = convert(f, expression(f, args[0]!, BOOL), BOOL, args[0]!);
  const path = pathOf(f, args[1], "setPriority");
  if (!backup || !path) return ERROR;
  const ends =
    path.from || path.to ? pathMemory(f, path, call) : { pointer: f.b.constant("ptr slot", 0n, span), bytes: 0 };
  if (!ends) return ERROR;
  return errno(
    f,
    f.b.call(
      "mptcp_set_priority",
      [context.ctx, ends.pointer, f.b.constant("w32", BigInt(2 * ends.bytes), span), backup],
      "w64",
      span,
    ),
    call,
  );
}

/** `announceAddress({ addr, port })` and `withdrawAddress({ addr })`. */
function announce(f: Lowering, context: Context, name: string, wanted: bigint, call: ts.CallExpression): Operand {
  const args = argumentsOf(f, call, name, 1);
  if (!args) return ERROR;
  const span = at(f, call);
  need(f.state, "helper:mptcp-announce-addr", span, `${name}()`);
  const end = endpoint(f, args[0]!, "announced");
  const made = end && sockaddr(f, end, scratch(f, 28, 4, "announced", span), 0);
  if (!made) return ERROR;
  const number = (value: bigint): Value => f.b.constant("w32", value, span);
  const pass = [context.ctx, made.pointer, number(BigInt(made.bytes)), number(wanted)];
  return errno(f, f.b.call("mptcp_announce_addr", pass, "w64", span), call);
}

type MptcpCall = (f: Lowering, context: Context, call: ts.CallExpression) => Operand;
/** By name. */
export const MPTCP_CALLS = {
  openSubflow(f, context, call) {
    need(f.state, "helper:mptcp-open-subflow", at(f, call), "openSubflow()");
    return subflow(f, context, "mptcp_open_subflow", "openSubflow", call);
  },
  closeSubflow(f, context, call) {
    need(f.state, "helper:mptcp-close-subflow", at(f, call), "closeSubflow()");
    return subflow(f, context, "mptcp_close_subflow", "closeSubflow", call);
  },
  setPriority(f, context, call) {
    need(f.state, "helper:mptcp-set-priority", at(f, call), "setPriority()");
    return setPriority(f, context, call);
  },
  setTimer(f, context, call) {
    const args = argumentsOf(f, call, "setTimer", 1);
    if (!args) return ERROR;
    need(f.state, "helper:mptcp-set-timer", at(f, call), "setTimer()");
    const ms = convert(f, expression(f, args[0]!, U32), U32, args[0]!);
    return ms ? errno(f, f.b.call("mptcp_set_timer", [context.ctx, ms], "w64", at(f, call)), call) : ERROR;
  },
  announceAddress: (f, context, call) => announce(f, context, "announceAddress", 1n, call),
  withdrawAddress: (f, context, call) => announce(f, context, "withdrawAddress", 0n, call),
  localAddresses: (f, _, call) =>
    fail(f, "iterator-outside", call, { text: call.getText(f.file.tree).slice(0, 40), one: "local" }),
} as const satisfies Record<string, MptcpCall>;
