/** What every program is made with: its function, the handlers in its object, their bodies. */
import { ts } from "ts-morph";
import { PROGRAM_SECTIONS, type Hook, type KindName } from "../bpf/kinds/index.ts";
import { functionBuilder, type FuncBuilder, type Label } from "../ir/build.ts";
import type { IrProgram, Value } from "../ir/ir.ts";
import { contextType } from "../ir/types.ts";
import type { Span } from "../span.ts";
import { constantContext } from "./declare.ts";
import type { FunctionNode, ProgramEntity } from "./entities.ts";
import { bare, bind, type Lowering, type Returns } from "./lowering.ts";
import { say, spanOf, type ModuleState } from "./module-state.ts";
import { entityAt } from "./names.ts";
import type { Operand } from "./operand.ts";
import { body } from "./statements.ts";
import { irTypes } from "./shapes.ts";
import { insteadOfPattern } from "./remedies.ts";

/** One program under construction. */
export interface ProgramBuilder {
  readonly state: ModuleState;
  readonly entity: ProgramEntity;
  readonly b: FuncBuilder;
  readonly ctx: Value;
  readonly span: Span;
  readonly scratch: Map<string, Value>;
}
/** One that is called for many events: a dispatch on the event, then the handler's code. */
export interface EventProgram extends ProgramBuilder {
  /** The event's number, loaded once. */
  readonly op: Value;
}

/** Begins a program: a function of the context. */
export function startProgram(
  state: ModuleState,
  entity: ProgramEntity,
  kind: KindName,
  name: string,
  span: Span,
): ProgramBuilder {
  const b = functionBuilder(name, [{ type: contextType(kind), name: "ctx" }], "w32", span);
  return { state, entity, b, ctx: b.params[0]!, span, scratch: new Map() };
}

/** Ends it: without another result it returns 1, so that its reply counts and what was asked for goes on. */
export function finishProgram({ b, span }: ProgramBuilder, kind: KindName, { section }: Hook): IrProgram {
  if (b.reachable()) b.return(b.constant("w32", 1n, span), span);
  return { func: b.finish(), section, type: kind, attachType: PROGRAM_SECTIONS[section]!.attach };
}

/** A member of the handler object: a method, or a function given by value or by name. */
export interface Handler {
  readonly name: string;
  readonly node: FunctionNode;
  readonly file: ProgramEntity["file"];
}
export interface HandlerObject {
  readonly handlers: ReadonlyMap<string, Handler>;
  /** The other properties. */
  readonly values: ReadonlyMap<string, ts.Expression>;
  /** All that is written in it, of whatever form. */
  readonly names: ReadonlySet<string>;
  /** Nothing is written in it. */
  readonly empty: boolean;
}

/** Reads the object literal of a handler; reports forms that it cannot have. */
export function handlerObject(
  program: Pick<ProgramBuilder, "state" | "entity">,
  names: readonly string[],
): HandlerObject | undefined {
  const { state, entity } = program;
  const f = constantContext(state, entity.file);
  const argument = entity.call.arguments[0];
  const literal = argument && bare(argument);
  if (!literal || !ts.isObjectLiteralExpression(literal)) {
    say(state, "literal-needed", spanOf(entity.file, argument ?? entity.call), {
      what: `the handlers of ${entity.programKind}`,
      example: `${entity.programKind}({ … })`,
    });
    return undefined;
  }
  const handlers = new Map<string, Handler>();
  const values = new Map<string, ts.Expression>();
  const written = new Set<string>();
  for (const property of literal.properties) {
    const name =
      property.name && (ts.isIdentifier(property.name) || ts.isStringLiteral(property.name))
        ? property.name.text
        : undefined;
    if (name === undefined) {
      say(state, ts.isSpreadAssignment(property) ? "spread" : "handler-form", spanOf(entity.file, property), {
        name: "this",
        of: "record",
      } as never);
      continue;
    }
    written.add(name);
    if (ts.isMethodDeclaration(property)) {
      addHandler(program, handlers, name, property, entity.file, property.name);
      continue;
    }
    const value = ts.isPropertyAssignment(property)
      ? bare(property.initializer)
      : ts.isShorthandPropertyAssignment(property)
        ? property.name
        : undefined;
    if (!value) {
      say(state, "handler-form", spanOf(entity.file, property), { name });
      continue;
    }
    if (!names.includes(name)) {
      values.set(name, value);
      continue;
    }
    if (ts.isArrowFunction(value) || ts.isFunctionExpression(value))
      addHandler(program, handlers, name, value, entity.file, property.name!);
    else {
      const target = entityAt(f, value);
      if (target?.kind === "function") addHandler(program, handlers, name, target.node, target.file, property.name!);
      else say(state, "handler-form", spanOf(entity.file, property), { name });
    }
  }
  return { handlers, values, names: written, empty: literal.properties.length === 0 };
}

function addHandler(
  program: Pick<ProgramBuilder, "state" | "entity">,
  handlers: Map<string, Handler>,
  name: string,
  node: FunctionNode,
  file: ProgramEntity["file"],
  at: ts.Node,
): void {
  const { state, entity } = program;
  if (node.modifiers?.some((m) => m.kind === ts.SyntaxKind.AsyncKeyword))
    return say(state, "async", spanOf(entity.file, at), { name });
  if (node.asteriskToken)
    return say(state, "not-in-bpf", spanOf(entity.file, at), {
      what: "a generator",
      instead: "write a loop over range(…)",
    });
  handlers.set(name, { name, node, file });
}

/** Lowers a handler's body at the builder's present position; goes on after it. */
export function runHandler(
  program: ProgramBuilder,
  handler: Handler,
  args: readonly Operand[],
  more: { readonly result?: Returns["result"]; readonly type?: Returns["type"] } = {},
): void {
  const { state, b } = program;
  const end = b.label();
  const impossible = b.label();
  const returns: Returns = {
    what: more.result ? "sockOps" : "handler",
    type: more.type,
    annotated: true,
    to: end,
    ...(more.result ? { result: more.result } : {}),
  };
  const f: Lowering = {
    state,
    b,
    impossible,
    file: handler.file,
    scope: { names: new Map(), parent: undefined },
    jumps: [],
    returns,
    scratch: program.scratch,
    constantOnly: false,
    held: [],
    replaced: [],
    handler: handler.name,
  };
  state.findings.push({
    kind: "handler",
    at: spanOf(handler.file, handler.node.name ?? handler.node),
    body: spanOf(handler.file, handler.node),
    name: handler.name,
    of: program.entity.name,
  });
  bindParameters(f, handler, args);
  body(f, handler.node);
  b.jump(end, spanOf(handler.file, handler.node));
  b.place(impossible);
  b.jump(end, program.span);
  b.place(end);
}

function bindParameters(f: Lowering, handler: Handler, args: readonly Operand[]): void {
  let index = 0;
  for (const parameter of handler.node.parameters) {
    if (!ts.isIdentifier(parameter.name)) {
      say(f.state, "destructuring", spanOf(handler.file, parameter.name), {
        instead: insteadOfPattern(handler.file, parameter.name),
      });
      continue;
    }
    if (parameter.name.text === "this") continue;
    const operand = args[index++];
    // One parameter too many is the type checker's to report.
    bindOne(f, parameter.name, operand ?? { kind: "error" });
  }
}

/** Scalars are the handler's own and may be assigned. */
function bindOne(f: Lowering, name: ts.Identifier, operand: Operand): void {
  if (operand.kind !== "scalar") return bind(f, name.text, { kind: "operand", operand, node: name, constant: false });
  const variables = irTypes(operand.type).map((type) => ({ type, name: name.text }));
  f.b.set(variables[0]!, operand.value);
  bind(f, name.text, { kind: "variable", type: operand.type, variables, node: name, constant: false });
}

/** Dispatches on the event: each case runs, then all meet again. */
export function onEvents(
  program: EventProgram,
  cases: readonly { readonly ops: readonly number[]; readonly run: () => void; readonly span?: Span }[],
): void {
  const { b, span } = program;
  const done: Label = b.label();
  const labels = cases.map(() => b.label());
  b.switch(
    program.op,
    cases.flatMap((one, index) => one.ops.map((op) => ({ value: BigInt(op), to: labels[index]! }))),
    done,
    span,
  );
  cases.forEach((one, index) => {
    b.place(labels[index]!);
    one.run();
    b.jump(done, one.span ?? span);
  });
  b.place(done);
}
