/** Parameters of functions: their types, how they are passed, and what their names stand for inside. */
import { ts } from "ts-morph";
import type { Value } from "../ir/ir.ts";
import { functionBuilder } from "../ir/build.ts";
import { annotation } from "./annotations.ts";
import { wishInMemory } from "./cells.ts";
import { valueOr } from "./conditions.ts";
import type { FunctionEntity } from "./entities.ts";
import { knowledge } from "./knowledge.ts";
import { bind, fail, type Lowering, type Returns } from "./lowering.ts";
import { spanOf, type ModuleState } from "./module-state.ts";
import { ERROR, type Context, type Operand, type Origin } from "./operand.ts";
import { pointerOf } from "./roles.ts";
import { assemble, flatten, variablesFor, type Knowledge } from "./shapes.ts";
import { isAggregate, isScalar, type DslType } from "./types.ts";
import { expression } from "./visit.ts";
import { insteadOfPattern } from "./remedies.ts";

export interface Parameter {
  readonly name: string;
  readonly type: DslType;
  readonly known: Knowledge;
  readonly node: ts.ParameterDeclaration;
  /** Left out by the caller, or perhaps undefined: then its default is evaluated in the function. */
  readonly given: "always" | "maybe" | "never";
}
/** How it is passed. */
export const passedAs = ({ type, given }: Pick<Parameter, "type" | "given">): DslType =>
  given === "maybe" ? orMissing(type) : type;

/** The annotated types of the parameters; reports what is not annotated or not of the language. Once per function. */
export function parameterTypes(
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
    if (!ts.isIdentifier(parameter.name))
      return void fail(f, "destructuring", parameter.name, { instead: insteadOfPattern(f.file, parameter.name) });
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
    types.push({
      name: parameter.name.text,
      type: parameter.questionToken ? orMissing(type) : type,
      node: parameter,
    });
  }
  return types;
}
/** The type of `parameter?: T`. */
function orMissing(type: DslType): DslType {
  if (isScalar(type) || isAggregate(type)) return { kind: "optional", of: type };
  return type.kind === "context" && pointerOf(type.role) ? { ...type, nullable: true } : type;
}
export function defaultType(f: Lowering, node: ts.Expression): DslType | undefined {
  const operand = expression(f, node);
  if (operand.kind === "literal") return { kind: "int", bits: operand.wide ? 64 : 32, signed: operand.value < 0n };
  return operand.kind === "scalar" ? operand.type : undefined;
}

export function signatureContext(state: ModuleState, callee: FunctionEntity): Lowering {
  const b = functionBuilder(callee.name, [], undefined, spanOf(callee.file, callee.node));
  return bodyContext(state, callee, b, { what: "function", type: undefined, annotated: false });
}

/** Where the lowering of a function's body starts: no name is known but those of its file. */
export const bodyContext = (
  state: ModuleState,
  callee: FunctionEntity,
  b: Lowering["b"],
  returns: Returns,
): Lowering => ({
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
});

/** A parameter that takes its default where nothing, or undefined, was passed. */
export function bindDefault(f: Lowering, parameter: Parameter, passed: readonly Value[]): void {
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
export function bindParameter(f: Lowering, parameter: Parameter, values: readonly Value[], origin: Origin = {}): void {
  const { name, type, node } = parameter;
  if (type.kind === "context") {
    const [ctx, wish] = values;
    if (!ctx) return;
    const context: Context = {
      kind: "context",
      role: type.role,
      ctx,
      ...(type.state ? { state: type.state } : {}),
      ...(type.nullable ? { nullable: true } : {}),
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
