/** The kernel's functions that congestion controls call. */
import type { ts } from "ts-morph";
import { HELPERS } from "../bpf/helpers.ts";
import { KFUNCS, type KfuncName } from "../bpf/kfuncs.ts";
import { argumentsOf } from "./arguments.ts";
import { at, fail, type Lowering } from "./lowering.ts";
import { ERROR, UNDEFINED, type Operand } from "./operand.ts";
import { U32 } from "./types.ts";
import { convert, describe } from "./values.ts";
import { expression } from "./visit.ts";

/** Of the language's names: whom each calls, with the connection and as many numbers as that takes. */
const ROWS = {
  slowStart: { kfunc: "tcp_slow_start" },
  congAvoidAi: { kfunc: "tcp_cong_avoid_ai" },
  renoSsthresh: { kfunc: "tcp_reno_ssthresh" },
  renoCongAvoid: { kfunc: "tcp_reno_cong_avoid" },
  renoUndoCwnd: { kfunc: "tcp_reno_undo_cwnd" },
  sendAck: { helper: "tcp_send_ack" },
} as const satisfies Record<string, Callee>;
/** What of the language calls a function of the kernel's for a connection. */
export type CongestionCall = keyof typeof ROWS;
type Callee = { readonly kfunc: KfuncName } | { readonly helper: "tcp_send_ack" };

const calling =
  (name: string, callee: Callee) =>
  (f: Lowering, call: ts.CallExpression): Operand => {
    const args = argumentsOf(
      f,
      call,
      name,
      ("kfunc" in callee ? KFUNCS[callee.kfunc] : HELPERS[callee.helper]).args.length,
    );
    const sk = args && expression(f, args[0]!);
    if (!sk || sk.kind === "error") return ERROR;
    if (sk.kind !== "context" || sk.role !== "tcpSock")
      return fail(f, "type-mismatch", args[0]!, { expected: "TcpSock", found: describe(sk) });
    const words = args.slice(1).map((node) => convert(f, expression(f, node, U32), U32, node));
    if (words.some((word) => !word)) return ERROR;
    const span = at(f, call);
    const all = [sk.ctx, ...words.map((word) => word!)];
    const result = "kfunc" in callee ? f.b.kfunc(callee.kfunc, all, span) : f.b.call(callee.helper, all, "w64", span);
    const answers = "kfunc" in callee && KFUNCS[callee.kfunc].returns === "number";
    return answers && result ? { kind: "scalar", type: U32, value: f.b.unary("trunc", result, span) } : UNDEFINED;
  };

type Lower = (f: Lowering, call: ts.CallExpression) => Operand;
const CALLING = Object.fromEntries(
  Object.entries<Callee>(ROWS).map(([name, callee]) => [name, calling(name, callee)]),
) as Record<CongestionCall, Lower>;
/** By the names of the language. */
export const CONGESTION_CALLS = {
  ...CALLING,
  jiffies(f, call) {
    if (f.constantOnly) return fail(f, "not-constant", call, { what: "jiffies()" });
    if (!argumentsOf(f, call, "jiffies", 0)) return ERROR;
    const span = at(f, call);
    return { kind: "scalar", type: U32, value: f.b.unary("trunc", f.b.call("jiffies64", [], "w64", span), span) };
  },
} as const satisfies Readonly<Record<string, Lower>>;
