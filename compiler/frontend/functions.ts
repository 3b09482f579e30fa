/** Helper functions: lowered on their first call, once for each kind of arguments; inlined by a later pass. */
import { ts } from "ts-morph";
import { functionBuilder } from "../ir/build.ts";
import type { Type, Value } from "../ir/ir.ts";
import { ANY_POINTER, isPointer } from "../ir/types.ts";
import { alignOf } from "../layout.ts";
import { annotation } from "./annotations.ts";
import { wishInMemory } from "./cells.ts";
import { mayBeMissing, valueOr } from "./conditions.ts";
import type { FunctionEntity } from "./entities.ts";
import { expression } from "./expressions.ts";
import { at, bind, fail, type Lowering, type Returns } from "./lowering.ts";
import { freshName, spanOf, type LoweredFunction, type ModuleState } from "./module-state.ts";
import {
  ERROR,
  originOf,
  sameRoot,
  UNDEFINED,
  type Context,
  type Given,
  type Operand,
  type Origin,
} from "./operand.ts";
import { replacedByCall, turnsOf } from "./references.ts";
import { assemble, flatten, irTypes, variablesFor, type Knowledge } from "./shapes.ts";
import { body } from "./statements.ts";
import { roleRow } from "./roles.ts";
import { loopsAround } from "./uses.ts";
import { irType, isAggregate, isScalar, type DslType } from "./types.ts";
import { describe } from "./values.ts";

/** Functions are lowered when they are called, one inside of the other: more would run out of stack. */
const DEEPEST_CALL = 200;

interface Parameter {
  readonly name: string;
  readonly type: DslType;
  readonly known: Knowledge;
  readonly node: ts.ParameterDeclaration;
  /** Left out by the caller, or perhaps undefined: then its default is evaluated in the function. */
  readonly given: "always" | "maybe" | "never";
}
/** How it is passed. */
const passedAs = ({ type, given }: Pick<Parameter, "type" | "given">): DslType =>
  given === "maybe" && (isScalar(type) || isAggregate(type)) ? { kind: "optional", of: type } : type;

/** `helper(a, b)`. */
export function invoke(f: Lowering, callee: FunctionEntity, call: ts.CallExpression): Operand {
  const spread = call.arguments.find((arg) => ts.isSpreadElement(arg));
  if (spread) return fail(f, "spread", spread, undefined);
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
      const absent = type.kind === "optional" && !node.initializer;
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

/** What the callee must know of a reference: how it is aligned, whether it may be written. */
function knowledge(operand: Operand, type: DslType): Knowledge {
  if (!isAggregate(type) && !(type.kind === "optional" && isAggregate(type.of))) return {};
  const natural = alignOf(isAggregate(type) ? type : (type.of as never));
  const align = operand.kind === "place" ? operand.at.align : operand.kind === "nullable" ? operand.align : natural;
  const readOnly =
    operand.kind === "place" ? operand.at.readOnly : operand.kind === "nullable" ? operand.readOnly : undefined;
  return { align: Math.min(align, natural), readOnly };
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
  if (!given) return assemble(type, [value]);
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
function returnedAs(type: DslType): Type | undefined {
  if (type.kind === "optional" && isScalar(type.of)) return "w64";
  return irTypes(type)[0];
}

/** The annotated types of the parameters; reports what is not annotated or not of the language. Once per function. */
function parameterTypes(
  state: ModuleState,
  callee: FunctionEntity,
): { name: string; type: DslType; node: ts.ParameterDeclaration }[] | undefined {
  const f = signatureContext(state, callee);
  const { node } = callee;
  if (node.modifiers?.some((m) => m.kind === ts.SyntaxKind.AsyncKeyword))
    return void fail(f, "async", node.name ?? node, { name: callee.name });
  if (node.asteriskToken)
    return void fail(f, "not-in-bpf", node.asteriskToken, {
      what: "a generator",
      instead: "write a loop over range(…)",
    });
  if (node.typeParameters?.length) return void fail(f, "generic", node.typeParameters[0]!, { name: callee.name });
  if (!node.body) return void fail(f, "no-body", node, { name: callee.name });
  if (node.type && (ts.isTypePredicateNode(node.type) || (node.type as ts.Node).kind === ts.SyntaxKind.TypePredicate))
    return void fail(f, "type-guard", node.type, undefined);
  const types: { name: string; type: DslType; node: ts.ParameterDeclaration }[] = [];
  for (const parameter of node.parameters) {
    if (!ts.isIdentifier(parameter.name)) return void fail(f, "destructuring", parameter.name, undefined);
    if (parameter.dotDotDotToken)
      return void fail(f, "not-in-bpf", parameter, { what: "a rest parameter", instead: "name each parameter" });
    if (parameter.name.text === "this") continue;
    const type = parameter.type
      ? annotation(f, parameter.type)
      : parameter.initializer
        ? defaultType(f, parameter.initializer)
        : undefined;
    if (!type) {
      if (!parameter.type) fail(f, "parameter-type", parameter, { name: parameter.name.text });
      return undefined;
    }
    const isOptional = parameter.questionToken && (isScalar(type) || isAggregate(type));
    types.push({
      name: parameter.name.text,
      type: isOptional ? { kind: "optional", of: type } : type,
      node: parameter,
    });
  }
  return types;
}
function defaultType(f: Lowering, node: ts.Expression): DslType | undefined {
  const operand = expression(f, node);
  if (operand.kind === "literal") return { kind: "int", bits: operand.wide ? 64 : 32, signed: operand.value < 0n };
  return operand.kind === "scalar" ? operand.type : undefined;
}

function signatureContext(state: ModuleState, callee: FunctionEntity): Lowering {
  const b = functionBuilder(callee.name, [], undefined, spanOf(callee.file, callee.node));
  const returns: Returns = { what: "function", type: undefined, annotated: false };
  return {
    state,
    b,
    impossible: b.label(),
    file: callee.file,
    scope: { names: new Map(), parent: undefined },
    jumps: [],
    returns,
    scratch: new Map(),
    constantOnly: false,
    held: [],
    replaced: [],
  };
}

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
  const marks = parameters.map((one) => `${one.given}${one.known.align ?? ""}${one.known.readOnly ? "r" : ""}`);
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
  if (annotated?.kind === "context")
    return void fail(outer, "context-escapes", callee.node.type!, { what: "the context" });
  const returns: Returns = { what: "function", type: annotated, annotated: annotated !== undefined };
  const f: Lowering = {
    state,
    b,
    impossible: b.label(),
    file: callee.file,
    scope: { names: new Map(), parent: undefined },
    jumps: [],
    returns,
    scratch: new Map(),
    constantOnly: false,
    held: [],
    replaced: [],
  };
  state.calling.push(callee);
  let taken = 0;
  for (const [index, parameter] of parameters.entries()) {
    const count = parameter.given === "never" ? 0 : irTypes(passedAs(parameter)).length;
    const values = b.params.slice(taken, taken + count);
    taken += count;
    const root = { kind: "parameter", index } as const;
    if (parameter.given === "always") bindParameter(f, parameter, values, { root, from: 0 });
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

/** A parameter that takes its default where nothing, or undefined, was passed. */
function bindDefault(f: Lowering, parameter: Parameter, passed: readonly Value[]): void {
  const { type, node, known } = parameter;
  const initializer = node.initializer!;
  const otherwise = (): Operand => expression(f, initializer, type);
  let operand: Operand;
  if (parameter.given === "never") operand = otherwise();
  else operand = valueOr(f, assemble(passedAs(parameter), passed, known), otherwise, node, initializer, type);
  const values = flatten(f, operand, type, node) ?? [];
  bindParameter(f, { ...parameter, known: knowledge(operand, type) }, values);
}

/** Scalars are the function's own copies and may be assigned; references stay what they are. */
function bindParameter(f: Lowering, parameter: Parameter, values: readonly Value[], origin: Origin = {}): void {
  const { name, type, node } = parameter;
  if (type.kind === "context") {
    const [ctx, wish] = values;
    if (!ctx) return;
    const context: Context = {
      kind: "context",
      role: type.role,
      ctx,
      ...(wish ? { wish: wishInMemory(wish) } : {}),
    };
    return bind(f, name, { kind: "operand", operand: context, node, constant: false });
  }
  if (isAggregate(type) || (type.kind === "optional" && isAggregate(type.of))) {
    return bind(f, name, {
      kind: "operand",
      operand: values.length > 0 ? assemble(type, values, { ...parameter.known, ...origin }) : ERROR,
      node,
      constant: false,
    });
  }
  const variables = variablesFor(type, name);
  values.forEach((value, index) => f.b.set(variables[index]!, value));
  bind(f, name, { kind: "variable", type, variables, node, constant: false });
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
  // An address of 0 in the caller's hands is one that the verifier follows to its use.
  if (ir && isPointer(ir) && f.b.reachable()) f.b.unreachable(span);
  else leave();
}

/** `return value` in a function. */
export function returnValue(
  f: Lowering,
  node: ts.ReturnStatement | ts.Expression,
  value: ts.Expression | undefined,
): void {
  const { returns } = f;
  const span = at(f, node);
  const operand = value ? expression(f, value, returns.type) : UNDEFINED;
  if (operand.kind === "error") {
    // The type stays unknown; the function goes on being looked at.
    returns.type ??= { kind: "undefined" };
    const ir = returnedAs(returns.type);
    return f.b.return(ir === undefined ? undefined : f.b.constant(ir, 0n, span), span);
  }
  if (operand.kind === "context" || operand.kind === "entity") {
    fail(f, operand.kind === "context" ? "context-escapes" : "not-a-value", value ?? node, {
      what: describe(operand),
      found: describe(operand),
    });
    return f.b.return(undefined, span);
  }
  returns.type ??= inferReturn(f, operand);
  const { type } = returns;
  if (type.kind === "undefined" && operand.kind !== "undefined" && !returns.annotated) {
    fail(f, "return-types", value ?? node, { found: describe(operand) });
    return f.b.return(undefined, span);
  }
  const values = flatten(f, operand, type, value ?? node);
  returns.given = bothGiven(returns.given, operand);
  const ir = returnedAs(type);
  if (!values || ir === undefined) return f.b.return(ir === undefined ? undefined : f.b.constant(ir, 0n, span), span);
  if (type.kind === "optional" && isScalar(type.of)) {
    if (irType(type.of) === "w64") {
      fail(f, "return-wide-optional", value ?? node, undefined);
      return f.b.return(f.b.constant("w64", 0n, span), span);
    }
    const high = f.b.binary("shl", f.b.unary("zext", values[0]!, span), f.b.constant("w64", 32n, span), span);
    return f.b.return(f.b.binary("or", high, f.b.unary("zext", values[1]!, span), span), span);
  }
  f.b.return(values[0], span);
}

/** What the caller must know of the references that a function gives back. */
function bothGiven(before: Given | undefined, operand: Operand): Given | undefined {
  if (operand.kind !== "place" && operand.kind !== "nullable") return before;
  const memory = operand.kind === "place" ? operand.at : operand;
  const { align, readOnly } = memory;
  // A variable of the function's own is nobody else's after it.
  const fresh = operand.kind === "place" && (operand.fresh === true || memory.root?.kind === "slot");
  const given: Given = { align, ...(readOnly ? { readOnly } : {}), ...originOf(memory), fresh };
  if (!before) return given;
  const same = before.root && given.root && sameRoot(before.root, given.root);
  return {
    align: Math.min(before.align, align),
    ...((before.readOnly ?? readOnly) ? { readOnly: before.readOnly ?? readOnly } : {}),
    ...(same ? { root: before.root } : {}),
    ...(same && before.from !== undefined && before.from === given.from ? { from: given.from } : {}),
    ...(before.turns !== undefined || given.turns !== undefined ? { turns: 0 } : {}),
    fresh: before.fresh && fresh,
  };
}

/** The type of a function without annotation, from its first `return`. */
function inferReturn(f: Lowering, operand: Operand): DslType {
  switch (operand.kind) {
    case "literal":
      return { kind: "int", bits: operand.wide ? 64 : 32, signed: operand.value < 0n };
    case "scalar":
      return operand.type;
    case "place":
      return operand.type;
    case "nullable":
      return operand.ref
        ? { kind: "optional", of: operand.of as never, ref: true }
        : { kind: "optional", of: operand.of };
    case "optional":
      return { kind: "optional", of: operand.of };
    case "ref":
      return { kind: "ref", of: operand.of };
    default:
      void f;
      return { kind: "undefined" };
  }
}
