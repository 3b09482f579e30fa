/** What handlers are given: properties of the kernel's context, and the calls on it. */
import type { ts } from "ts-morph";
import { SOCK_OPS_FIELDS } from "../bpf/kinds/sock-ops.ts";
import { readCell, writeCell } from "./cells.ts";
import { bindSource } from "./connect-calls.ts";
import { loadProperty } from "./context-fields.ts";
import { PROPERTIES } from "./context-properties.ts";
import { privateState } from "./kernel-members.ts";
import { HEADER_OPTION_CALLS, synOption } from "./header-option-calls.ts";
import { unlessCheckerFails } from "./checker-failure.ts";
import { at, fail, type Lowering } from "./lowering.ts";
import { MPTCP_CALLS } from "./mptcp-calls.ts";
import { ERROR, UNDEFINED, type Context, type Operand, type WordCell } from "./operand.ts";
import { ROLES, type Role } from "./roles.ts";
import { SESSION_CALLS, SUBFLOW_CALLS, subflowTcp } from "./scheduler-calls.ts";
import { getSockOpt, setSockOpt } from "./socket-option-calls.ts";
import { optval, skipKernel } from "./sockopt-calls.ts";
import { I32 } from "./types.ts";
import { convert } from "./values.ts";

export function contextField(f: Lowering, context: Context, name: string, node: ts.PropertyAccessExpression): Operand {
  const properties = PROPERTIES[context.role];
  if (Object.hasOwn(properties, name)) return loadProperty(f, context, properties[name]!, node, name);
  if (name === "state" && context.role === "tcpSock") return privateState(f, context, node);
  if (name === "tcp" && context.role === "subflow") return subflowTcp(f, context, node);
  if (name === "remote" && context.role === "ctx") return { kind: "context", role: "remote", ctx: context.ctx };
  if (Object.hasOwn(METHODS[context.role], name))
    return fail(f, "method-as-value", node.name, { name, found: ROLES[context.role].name });
  const own = context.state?.fields.some((field) => field.name === name);
  const known = own ? [`state.${name}`] : (membersOf(f, node.expression) ?? Object.keys(properties));
  return fail(f, "no-member", node.name, { name, found: ROLES[context.role].name, known });
}

/** What an expression has in this event and on this target, as the declarations say; methods with parentheses. */
function membersOf(f: Lowering, node: ts.Expression): string[] | undefined {
  const checker = f.state.project.program().getTypeChecker();
  const found = unlessCheckerFails(() =>
    checker
      .getTypeAtLocation(node)
      .getProperties()
      .flatMap((one) => {
        if (one.name.startsWith("__")) return [];
        const callable = checker.getTypeOfSymbolAtLocation(one, node).getCallSignatures().length > 0;
        return [callable ? `${one.name}()` : one.name];
      }),
  );
  return found && found.length > 0 ? found : undefined;
}

/** `ctx.reply = n`. */
export function setReply(f: Lowering, context: Context, operand: Operand, node: ts.Node): Operand {
  const value = convert(f, operand, I32, node);
  if (value) f.b.store(4, context.ctx, SOCK_OPS_FIELDS.args.offset, value, at(f, node));
  return value ? { kind: "scalar", type: I32, value } : ERROR;
}

type Method = (f: Lowering, context: Context, call: ts.CallExpression) => Operand;
const writing =
  (on: boolean): Method =>
  (f, context, call) => {
    setWriting(f, context, on, call);
    return UNDEFINED;
  };
const OPTIONS = { setSockOpt, getSockOpt };
/** What can be called, by role and name. */
const METHODS: Readonly<Record<Role, Readonly<Record<string, Method>>>> = {
  conn: OPTIONS,
  option: { ...OPTIONS, startWriting: writing(true), stopWriting: writing(false), synOption },
  planned: {},
  leaving: {},
  arriving: {},
  session: { ...OPTIONS, ...MPTCP_CALLS },
  remote: {},
  local: {},
  ctx: { ...OPTIONS, ...MPTCP_CALLS, ...HEADER_OPTION_CALLS },
  connect: OPTIONS,
  connect4: { ...OPTIONS, bindSource },
  connect6: { ...OPTIONS, bindSource },
  sockopt: { optval },
  setsockopt: { optval, skipKernel },
  getsockopt: { optval },
  tcpSock: { setSockOpt },
  ackSample: {},
  rateSample: {},
  mptcpSock: SESSION_CALLS,
  subflow: SUBFLOW_CALLS,
  subflowTcp: {},
};

/** The names of what can be called on a role. */
export const methodsOf = (role: Role): readonly string[] => Object.keys(METHODS[role]);

/** A method call on a context. */
export function contextCall(f: Lowering, context: Context, name: string, call: ts.CallExpression): Operand {
  const methods = METHODS[context.role];
  if (Object.hasOwn(methods, name)) return methods[name]!(f, context, call);
  const node = (call.expression as ts.PropertyAccessExpression).name;
  if (Object.hasOwn(PROPERTIES[context.role], name)) return fail(f, "not-a-function", node, { name, found: "a field" });
  return fail(f, "no-member", node, {
    name,
    found: ROLES[context.role].name,
    known:
      membersOf(f, (call.expression as ts.PropertyAccessExpression).expression) ??
      Object.keys(methods).map((one) => `${one}()`),
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
