/** Calls in a connect hook. */
import type { ts } from "ts-morph";
import { argumentsOf } from "./arguments.ts";
import { errno } from "./context-fields.ts";
import { at, fail, scratch, type Lowering } from "./lowering.ts";
import { ERROR, type Context, type Operand } from "./operand.ts";
import { roleRow } from "./roles.ts";
import { sockaddr } from "./socket-address.ts";
import { BE16, BE32 } from "./types.ts";
import { convert, describe } from "./values.ts";
import { expression } from "./visit.ts";

/** `ctx.bindSource(address, port?)`: of the hook's own family. */
export function bindSource(f: Lowering, context: Context, call: ts.CallExpression): Operand {
  const args = argumentsOf(f, call, "bindSource", 2, 1);
  if (!args) return ERROR;
  const [addrNode, portNode] = args as readonly [ts.Expression, ts.Expression | undefined];
  const { family } = roleRow(context.role);
  const addr = expression(f, addrNode, ...(family === 4 ? [BE32] : []));
  if (addr.kind === "error") return ERROR;
  const given = portNode && expression(f, portNode);
  const port = given && given.kind !== "undefined" ? convert(f, given, BE16, portNode) : undefined;
  if (given && given.kind !== "undefined" && !port) return ERROR;
  const span = at(f, call);
  const made = sockaddr(f, { addr, addrNode, ...(port ? { port } : {}) }, scratch(f, 28, 4, "source", span), 0);
  if (!made) return ERROR;
  if (made.family !== family)
    return fail(f, "type-mismatch", addrNode, {
      expected: `an IPv${family} address`,
      found: describe(addr),
    });
  const bytes = f.b.constant("w32", BigInt(made.bytes), span);
  return errno(f, f.b.call("bind", [context.ctx, made.pointer, bytes], "w64", span), call);
}
