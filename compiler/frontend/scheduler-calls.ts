/** What schedulers ask of a session, of its subflows, and of their sockets. */
import type { ts } from "ts-morph";
import { findMember } from "../bpf/kernel-types.ts";
import { kfunc, type KfuncName } from "../bpf/kfuncs.ts";
import { unlessMissing } from "./access.ts";
import { argumentsOf } from "./arguments.ts";
import { boolOf } from "./arithmetic.ts";
import { unlessCheckerFails } from "./checker-failure.ts";
import { at, fail, type Lowering } from "./lowering.ts";
import { ERROR, UNDEFINED, type Context, type Operand } from "./operand.ts";
import { U64 } from "./types.ts";

type Method = (f: Lowering, context: Context, call: ts.CallExpression) => Operand;

/** A function of the kernel that takes the struct alone, or with constants behind it. */
const asking =
  (name: string, called: KfuncName, ...more: readonly bigint[]): Method =>
  (f, { ctx }, call) => {
    if (!argumentsOf(f, call, name, 0)) return ERROR;
    const span = at(f, call);
    const found = f.b.kfunc(called, [ctx, ...more.map((value) => f.b.constant("w64", value, span))], span);
    if (!found) return UNDEFINED;
    if (kfunc(called).returns === "number") return { kind: "scalar", type: U64, value: found };
    // A bool is one byte of the register, and 0 or 1.
    return boolOf(f.b.binary("and", f.b.unary("trunc", found, span), f.b.constant("w32", 1n, span), span));
  };

export const SESSION_CALLS: Readonly<Record<string, Method>> = {
  subflows: (f, _, call) =>
    fail(f, "iterator-outside", call, { text: call.getText(f.file.tree).slice(0, 40), one: "subflow" }),
  setTimeout: asking("setTimeout", "mptcp_set_timeout"),
  windowEnd: asking("windowEnd", "mptcp_wnd_end"),
};
export const SUBFLOW_CALLS: Readonly<Record<string, Method>> = {
  schedule: asking("schedule", "mptcp_subflow_set_scheduled", 1n),
  isActive: asking("isActive", "mptcp_subflow_active"),
  memoryFree: asking("memoryFree", "bpf_sk_stream_memory_free"),
};

/** `subflow.tcp`: its socket, which a cast of the kernel's makes sure of. */
export function subflowTcp(f: Lowering, { ctx }: Context, node: ts.Node): Operand {
  const struct = "mptcp_subflow_context";
  const member = "tcp_sock";
  const found = findMember(f.state.kernel.types, struct, member);
  if (!found) return fail(f, "kernel-member", node, { struct, member, release: f.state.kernel.types.release });
  const span = at(f, node);
  const by = f.b.core({ kind: "byte-offset", struct, member }, BigInt(found.offset / 8), span);
  const sock = f.b.load("ptr struct(sock)", 8, f.b.ptradd(ctx, by, span), 0, span, member);
  const tcp = f.b.cast("skc_to_tcp_sock", sock, "ptr struct(tcp_sock)", span);
  const socket: Context = { kind: "context", role: "subflowTcp", ctx: tcp, nullable: true };
  // Asked for anew, it is not what was tested: `if (subflow.tcp) use(subflow.tcp)`.
  return isNarrowed(f, node) ? unlessMissing(f, socket, f.impossible, node) : socket;
}

/** Does a test before this expression, of the same text, leave no undefined in its type? */
function isNarrowed(f: Lowering, node: ts.Node): boolean {
  const checker = f.state.project.program().getTypeChecker();
  const type = unlessCheckerFails(() => checker.getTypeAtLocation(node));
  return type !== undefined && checker.getNonNullableType(type) === type;
}
