/** `sockOps((ctx) => …)`: one function for every event, nothing around it. */
import { ts } from "ts-morph";
import { constantContext } from "./declare.ts";
import { bare } from "./lowering.ts";
import { need, say, spanOf } from "./module-state.ts";
import { entityAt } from "./names.ts";
import { runHandler, type Handler, type EventProgram } from "./program-builder.ts";
import { I32 } from "./types.ts";

export function sockOpsProgram(program: EventProgram): void {
  const { state, entity, b, ctx, span } = program;
  const argument = entity.call.arguments[0];
  const value = argument && bare(argument);
  let handler: Handler | undefined;
  if (value && (ts.isArrowFunction(value) || ts.isFunctionExpression(value)))
    handler = { name: "sockOps", node: value, file: entity.file };
  else if (value) {
    const target = entityAt(constantContext(state, entity.file), value);
    if (target?.kind === "function") handler = { name: "sockOps", node: target.node, file: target.file };
  }
  if (!handler) return say(state, "handler-form", spanOf(entity.file, argument ?? entity.call), { name: "sockOps" });
  if (handler.node.modifiers?.some((m) => m.kind === ts.SyntaxKind.AsyncKeyword))
    return say(state, "async", spanOf(entity.file, value!), { name: "sockOps" });
  if (entity.module === "tsbpf/mptcp") need(state, "tcp-option-events", span, "sockOps from tsbpf/mptcp");
  const result = { type: "w32" as const, name: "result" };
  b.set(result, b.constant("w32", 1n, span));
  runHandler(program, handler, [{ kind: "context", role: "ctx", ctx }], { result, type: I32 });
  if (b.reachable()) b.return(b.get(result), span);
}
