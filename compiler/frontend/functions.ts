/** Helper functions: lowered on their first call, once for each kind of arguments; inlined by a later pass. */
import { ts } from "ts-morph";
import type { Value } from "../ir/ir.ts";
import { functionBuilder } from "../ir/build.ts";
import { ANY_POINTER, isPointer } from "../ir/types.ts";
import { unlessMissing } from "./access.ts";
import { annotation } from "./annotations.ts";
import { mayBeMissing } from "./conditions.ts";
import type { FunctionEntity } from "./entities.ts";
import { knowledge } from "./knowledge.ts";
import { at, fail, type Lowering, type Returns } from "./lowering.ts";
import { freshName, spanOf, type LoweredFunction, type ModuleState } from "./module-state.ts";
import { ERROR, UNDEFINED, type Given, type Operand, type Origin } from "./operand.ts";
import {
  bindDefault,
  bindParameter,
  parameterTypes,
  passedAs,
  bodyContext,
  signatureContext,
  type Parameter,
} from "./parameters.ts";
import { replacedByCall, turnsOf } from "./references.ts";
import { returnedAs } from "./returns.ts";
import { pointerOf, roleRow } from "./roles.ts";
import { assemble, flatten, irTypes } from "./shapes.ts";
import { body } from "./statements.ts";
import { isScalar, type DslType } from "./types.ts";
import { loopsAround } from "./uses.ts";
import { describe } from "./values.ts";
import { expression } from "./visit.ts";

/** Functions are lowered when they are called, one inside of the other: more would run out of stack. */
const DEEPEST_CALL = 200;

/** `helper(a, b)`. */
export function invoke(f: Lowering, callee: FunctionEntity, call: ts.CallExpression): Operand {
  const spread = call.arguments.find((arg) => ts.isSpreadElement(arg));
  if (spread) return fail(f, "spread", spread, { of: "list" });
  const cycle = f.state.calling.indexOf(callee);
  if (cycle >= 0) {
    const names = f.state.calling.slice(cycle).map((one) => one.name);
    return fail(f, "recursion", call, { cycle: [...names, callee.name] });
  }
  if (f.state.calling.length >= DEEPEST_CALL) {
    if (f.state.diagnostics.some((one) => one.key === "nested-too-deep")) return ERROR;
    return fail(f, "nested-too-deep", call, {
      what: "calls nest",
      depth: DEEPEST_CALL,
      instead: "put helpers that only call the next one together",
    });
  }
  const types = parameterTypes(f.state, callee);
  if (!types) {
    call.arguments.forEach((arg) => expression(f, arg));
    return ERROR;
  }
  if (call.arguments.length > types.length)
    return fail(f, "argument-count", call, {
      what: callee.name,
      expected: `${types.length} arguments, not ${call.arguments.length}`,
    });
  const passed: Value[] = [];
  const parameters: Parameter[] = [];
  const operands: (Operand | undefined)[] = [];
  const before = f.held.length;
  let failed = false;
  for (const [index, { name, type, node }] of types.entries()) {
    const argument = call.arguments[index];
    if (!argument) {
      const absent = (type.kind === "optional" || (type.kind === "context" && type.nullable)) && !node.initializer;
      if (!node.initializer && !absent)
        return fail(f, "argument-count", call, {
          what: callee.name,
          expected: `${types.length} arguments, not ${call.arguments.length}`,
        });
      const values = absent ? flatten(f, UNDEFINED, type, call) : [];
      passed.push(...(values ?? []));
      parameters.push({ name, type, node, known: {}, given: absent ? "always" : "never" });
      continue;
    }
    const operand = expression(f, argument, type);
    operands[index] = operand;
    f.held.push(operand);
    if (node.initializer && operand.kind === "undefined") {
      parameters.push({ name, type, node, known: {}, given: "never" });
      continue;
    }
    const given = node.initializer && mayBeMissing(operand) ? "maybe" : "always";
    const values = pass(f, operand, passedAs({ type, given }), argument);
    if (!values) {
      failed = true;
      continue;
    }
    passed.push(...values);
    parameters.push({ name, type, node, given, known: knowledge(operand, type) });
  }
  f.held.length = before;
  if (failed) return ERROR;
  const lowered = lowerFunction(f.state, callee, parameters);
  if (!lowered) return ERROR;
  replacedByCall(f, lowered.replaced, operands, call);
  return result(f, lowered, passed, operands, call);
}

/** The IR values of an argument. */
function pass(f: Lowering, operand: Operand, type: DslType, node: ts.Node): Value[] | undefined {
  if (type.kind !== "context") return flatten(f, operand, type, node);
  if (operand.kind === "error") return undefined;
  if (operand.kind === "undefined" && type.nullable) return flatten(f, operand, type, node);
  const fits =
    operand.kind === "context" && (operand.role === type.role || roleRow(type.role).from.includes(operand.role));
  if (!fits)
    return void fail(f, "type-mismatch", node, {
      expected: describe({
        kind: "context",
        role: type.role,
        ctx: { id: 0, type: operand.kind === "context" ? operand.ctx.type : ANY_POINTER },
      }),
      found: describe(operand),
    });
  if (type.role !== "option") return [operand.ctx];
  // Without a cell nothing in the module turns writing on or off.
  return [
    operand.ctx,
    operand.wish?.start.kind === "memory" ? operand.wish.start.base : f.b.constant(ANY_POINTER, 0n, at(f, node)),
  ];
}

function result(
  f: Lowering,
  lowered: LoweredFunction,
  passed: readonly Value[],
  operands: readonly (Operand | undefined)[],
  call: ts.CallExpression,
): Operand {
  const span = at(f, call);
  const type = lowered.returns;
  const value = f.b.invoke(lowered.irName, passed, returnedAs(type), span);
  if (!value) return UNDEFINED;
  if (type.kind === "optional" && isScalar(type.of)) {
    const high = f.b.unary("trunc", f.b.binary("lshr", value, f.b.constant("w64", 32n, span), span), span);
    return { kind: "optional", of: type.of, present: high, value: f.b.unary("trunc", value, span) };
  }
  const { given } = lowered;
  const found = assemble(type, [value]);
  // 0 is what a function gives where it came to what cannot happen.
  if (found.kind === "context")
    return found.nullable ? found : unlessMissing(f, { ...found, nullable: true }, f.impossible, call);
  if (!given) return found;
  const operand = assemble(type, [value], { ...given, ...givenOrigin(given, operands, call) });
  return operand.kind === "place" && given.fresh ? { ...operand, fresh: true } : operand;
}

/** Where a reference that a function gives back comes from, in the caller's terms. */
function givenOrigin(given: Given, operands: readonly (Operand | undefined)[], call: ts.CallExpression): Origin {
  const { root, from } = given;
  const argument = root?.kind === "parameter" ? operands[root.index] : undefined;
  const passed: Origin | undefined =
    argument?.kind === "place" ? argument.at : argument?.kind === "nullable" ? argument : undefined;
  const own = given.turns !== undefined ? [loopsAround(call)] : [];
  const turns = [...own, ...operands.flatMap((one) => turnsOf(one) ?? [])];
  const start = passed?.from === undefined || from === undefined ? undefined : passed.from + from;
  const known: Origin =
    root?.kind === "parameter"
      ? { ...(passed?.root ? { root: passed.root } : {}), ...(start === undefined ? {} : { from: start }) }
      : root?.kind === "slot"
        ? {}
        : { ...(root ? { root } : {}), ...(from === undefined ? {} : { from }) };
  return { ...known, ...(turns.length > 0 ? { turns: Math.max(...turns) } : {}) };
}

/** The one IR value of a result. A scalar that may be missing travels as a pair in 64 bits. */
/** Lowers a function nobody calls, so that its mistakes are found too; the result is dropped. */
export function checkUncalled(state: ModuleState, callee: FunctionEntity): void {
  // Nothing on the way to what nests too deep was kept: each of these would go all the way again.
  if (state.diagnostics.some((one) => one.key === "nested-too-deep")) return;
  if ([...state.functions.keys()].some((key) => key.startsWith(`${callee.file.index} ${callee.node.pos} `))) return;
  const types = parameterTypes(state, callee);
  if (!types) return;
  const before = new Set(state.functions.keys());
  const needed = new Set(state.needs);
  lowerFunction(
    state,
    callee,
    types.map((one) => ({ ...one, known: {}, given: "always" })),
  );
  for (const key of state.functions.keys()) if (!before.has(key)) state.functions.delete(key);
  for (const feature of state.needs) if (!needed.has(feature)) state.needs.delete(feature);
}

function lowerFunction(
  state: ModuleState,
  callee: FunctionEntity,
  parameters: readonly Parameter[],
): LoweredFunction | undefined {
  const marks = parameters.map(
    (one) => `${one.given}${one.known.align ?? ""}${one.known.readOnly ? "r" : ""}${one.known.root ? "s" : ""}`,
  );
  const key = `${callee.file.index} ${callee.node.pos} ${marks.join(",")}`;
  const known = state.functions.get(key);
  if (known) return known;
  const irName = freshName(state, callee.name);
  const present = parameters.filter((one) => one.given !== "never");
  const irParams = present.flatMap((one) => irTypes(passedAs(one)).map((type) => ({ type, name: one.name })));
  const span = spanOf(callee.file, callee.node.name ?? callee.node);
  const b = functionBuilder(irName, irParams, undefined, span);
  const outer = signatureContext(state, callee);
  const annotated = callee.node.type ? annotation(outer, callee.node.type) : undefined;
  if (callee.node.type && !annotated) return undefined;
  if (annotated?.kind === "context" && !pointerOf(annotated.role))
    return void fail(outer, "context-escapes", callee.node.type!, { what: "the context" });
  const returns: Returns = { what: "function", type: annotated, annotated: annotated !== undefined };
  const f = bodyContext(state, callee, b, returns);
  state.calling.push(callee);
  let taken = 0;
  for (const [index, parameter] of parameters.entries()) {
    const count = parameter.given === "never" ? 0 : irTypes(passedAs(parameter)).length;
    const values = b.params.slice(taken, taken + count);
    taken += count;
    const root = { kind: "parameter", index } as const;
    const origin = parameter.known.root ? {} : { root, from: 0 };
    if (parameter.given === "always") bindParameter(f, parameter, values, origin);
    else bindDefault(f, parameter, values);
  }
  body(f, callee.node);
  finish(f, callee);
  state.calling.pop();
  const lowered: LoweredFunction = {
    irName,
    returns: returns.type ?? { kind: "undefined" },
    func: b.finish(),
    replaced: f.replaced,
    ...(returns.given ? { given: returns.given } : {}),
  };
  state.functions.set(key, lowered);
  return lowered;
}

/** The end of the function: a path without `return`, and what cannot happen. */
function finish(f: Lowering, callee: FunctionEntity): void {
  const type = f.returns.type ?? { kind: "undefined" };
  const ir = returnedAs(type);
  const span = spanOf(callee.file, callee.node.name ?? callee.node);
  const leave = (): void => {
    if (f.b.reachable()) f.b.return(ir === undefined ? undefined : f.b.constant(ir, 0n, span), span);
  };
  leave();
  f.b.place(f.impossible);
  // An address of 0 in the caller's hands is one that the verifier follows to its use, unless the caller tests it.
  const isTested = type.kind === "optional" || type.kind === "context";
  if (ir && isPointer(ir) && !isTested && f.b.reachable()) f.b.unreachable(span);
  else leave();
}
