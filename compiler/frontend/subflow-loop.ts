/**
 * `for (const subflow of session.subflows(8))`: the kernel's iterator on the stack, asked in each turn and destroyed on every way out. The loop
 * is unrolled like any other, so that there is no jump back.
 */
import { ts } from "ts-morph";
import { ITERATORS } from "../bpf/kfuncs.ts";
import { argumentsOf } from "./arguments.ts";
import { constantInteger } from "./declare.ts";
import { at, fail, type Lowering } from "./lowering.ts";
import type { Context, Operand } from "./operand.ts";

/** Turns are unrolled, and a session has no more subflows than this. */
const MOST_TURNS = 64;

/** The receiver and the call, where an expression asks a session for its subflows. */
export function subflowsCall(
  over: ts.Expression,
): { readonly of: ts.Expression; readonly call: ts.CallExpression } | undefined {
  if (!ts.isCallExpression(over) || !ts.isPropertyAccessExpression(over.expression)) return undefined;
  return over.expression.name.text === "subflows" ? { of: over.expression.expression, call: over } : undefined;
}

/** The most turns; undefined where that is wrong, which is reported. */
export function mostSubflows(f: Lowering, call: ts.CallExpression): number | undefined {
  const args = argumentsOf(f, call, "subflows", 1);
  const most = args && constantInteger(f, args[0]!, "the bound of subflows()");
  if (most === undefined || (most >= 1 && most <= MOST_TURNS)) return most;
  const range = `1 to ${MOST_TURNS}`;
  return void fail(f, "count-range", args![0]!, { what: "the bound of subflows()", found: `${most}`, range });
}

/** A live iterator: what each turn asks, and how it ends. */
interface Subflows {
  /** The next subflow; goes to `done` where there is none. */
  next(done: ReturnType<Lowering["b"]["label"]>): Operand;
  destroy(): void;
}
export function beginSubflows(f: Lowering, session: Context, node: ts.Node): Subflows {
  const span = at(f, node);
  const iterator = f.b.slot(ITERATORS.mptcp_subflow.bytes, 8, "subflows", span);
  // What it says of failure, next() says again: there is no first one.
  f.b.kfunc("bpf_iter_mptcp_subflow_new", [iterator, session.ctx], span);
  return {
    next(done) {
      const found = f.b.kfunc("bpf_iter_mptcp_subflow_next", [iterator], span)!;
      const there = f.b.label();
      f.b.branch("ne", found, f.b.null(found, span), there, done, span);
      f.b.place(there);
      return { kind: "context", role: "subflow", ctx: found };
    },
    destroy: () => void f.b.kfunc("bpf_iter_mptcp_subflow_destroy", [iterator], span),
  };
}
