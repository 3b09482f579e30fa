/** The kernel's functions that congestion controls call. */
import type { ts } from "ts-morph";
import type { KfuncName } from "../bpf/kfuncs.ts";
import { argumentsOf } from "./arguments.ts";
import { at, fail, type Lowering } from "./lowering.ts";
import { ERROR, UNDEFINED, type Operand } from "./operand.ts";
import { U32 } from "./types.ts";
import { convert, describe } from "./values.ts";
import { expression } from "./visit.ts";

interface Row {
  readonly calls: { readonly kfunc: KfuncName } | { readonly helper: "tcp_send_ack" };
  /** Numbers behind the connection. */
  readonly numbers: number;
  readonly returns?: true;
}
const ROWS = {
  slowStart: { calls: { kfunc: "tcp_slow_start" }, numbers: 1, returns: true },
  congAvoidAi: { calls: { kfunc: "tcp_cong_avoid_ai" }, numbers: 2 },
  renoSsthresh: { calls: { kfunc: "tcp_reno_ssthresh" }, numbers: 0, returns: true },
  renoCongAvoid: { calls: { kfunc: "tcp_reno_cong_avoid" }, numbers: 2 },
  renoUndoCwnd: { calls: { kfunc: "tcp_reno_undo_cwnd" }, numbers: 0, returns: true },
  sendAck: { calls: { helper: "tcp_send_ack" }, numbers: 1 },
} as const satisfies Record<string, Row>;

const calling =
  (name: string, { calls, numbers, returns }: Row) =>
  (f: Lowering, call: ts.CallExpression): Operand => {
    const args = argumentsOf(f, call, name, 1 + numbers);
    const sk = args && expression(f, args[0]!);
    if (!sk || sk.kind === "error") return ERROR;
    if (sk.kind !== "context" || sk.role !== "tcpSock")
      return fail(f, "type-mismatch", args[0]!, { expected: "TcpSock", found: describe(sk) });
    const words = args.slice(1).map((node) => convert(f, expression(f, node, U32), U32, node));
    if (words.some((word) => !word)) return ERROR;
    const span = at(f, call);
    const all = [sk.ctx, ...words.map((word) => word!)];
    const result = "kfunc" in calls ? f.b.kfunc(calls.kfunc, all, span) : f.b.call(calls.helper, all, "w64", span);
    return returns && result ? { kind: "scalar", type: U32, value: f.b.unary("trunc", result, span) } : UNDEFINED;
  };

/** By the names of the language. */
export const CONGESTION_CALLS: Readonly<Record<string, (f: Lowering, call: ts.CallExpression) => Operand>> = {
  ...Object.fromEntries(Object.entries<Row>(ROWS).map(([name, row]) => [name, calling(name, row)])),
  jiffies(f, call) {
    if (f.constantOnly) return fail(f, "not-constant", call, { what: "jiffies()" });
    if (!argumentsOf(f, call, "jiffies", 0)) return ERROR;
    const span = at(f, call);
    return { kind: "scalar", type: U32, value: f.b.unary("trunc", f.b.call("jiffies64", [], "w64", span), span) };
  },
};
