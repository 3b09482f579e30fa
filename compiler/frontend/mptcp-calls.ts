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
import { BE16, BOOL } from "./types.ts";
import { convert } from "./values.ts";
import { expression } from "./visit.ts";

type Path = { readonly [side in "from" | "to"]?: Endpoint };

function subflow(f: Lowering, context: Context, helper: HelperName, name: string, call: ts.CallExpression): Operand {
  const args = argumentsOf(f, call, name, 1, 1);
  const path = args && pathOf(f, args[0], name);
  if (!path) return ERROR;
  const span = at(f, call);
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

/** `{ from: { addr, port }, to: { … } }`, evaluated in its order. */
function pathOf(f: Lowering, written: ts.Expression | undefined, name: string): Path | undefined {
  if (!written) return {};
  const node = bare(written);
  if (ts.isIdentifier(node) && node.text === "undefined") return {};
  if (!ts.isObjectLiteralExpression(node)) {
    return void fail(f, "literal-needed", written, {
      what: `the path of ${name}`,
      example: "{ from: { addr }, to: { addr, port } }",
    });
  }
  const path: { from?: Endpoint; to?: Endpoint } = {};
  for (const property of node.properties) {
    const side = propertyValue(f, property);
    if (!side) return undefined;
    if (side.name !== "from" && side.name !== "to")
      return void fail(f, "unknown-field", property, { name: side.name, type: "SubflowPath", known: ["from", "to"] });
    const end = endpoint(f, side.value);
    if (!end) return undefined;
    path[side.name] = end;
  }
  return path;
}

function endpoint(f: Lowering, written: ts.Expression): Endpoint | undefined {
  const node = bare(written);
  if (!ts.isObjectLiteralExpression(node))
    return void fail(f, "literal-needed", written, {
      what: "an end of a path",
      example: "{ addr: session.remoteIp4, port: session.remotePort }",
    });
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

/** `setPriority("backup", path?)`: without a path it is the subflow of the event. */
function setPriority(f: Lowering, context: Context, call: ts.CallExpression): Operand {
  const args = argumentsOf(f, call, "setPriority", 2, 1);
  if (!args) return ERROR;
  const span = at(f, call);
  const backup = convert(f, expression(f, args[0]!, BOOL), BOOL, args[0]!);
  const path = pathOf(f, args[1], "setPriority");
  if (!backup || !path) return ERROR;
  let pointer = f.b.constant("ptr slot", 0n, span);
  let bytes = 0;
  if (path.from || path.to) {
    pointer = scratch(f, 56, 4, "path", span);
    const wide = [path.from, path.to].some((end) => end && end.addr.kind !== "scalar");
    const one = SOCKADDR[wide ? 6 : 4].bytes;
    for (const [index, end] of [path.from, path.to].entries()) {
      if (end) {
        const made = sockaddr(f, end, pointer, index * one);
        if (!made) return ERROR;
        if (made.bytes !== one) return fail(f, "mixed-families", call, undefined);
      } else {
        f.b.zero(pointer, index * one, one, 4, span);
        f.b.store(2, pointer, index * one, f.b.constant("w32", wide ? AF_INET6 : AF_INET, span), span);
      }
    }
    bytes = 2 * one;
  }
  return errno(
    f,
    f.b.call(
      "mptcp_set_priority",
      [context.ctx, pointer, f.b.constant("w32", BigInt(bytes), span), backup],
      "w64",
      span,
    ),
    call,
  );
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
} as const satisfies Record<string, MptcpCall>;
