/** Statements: blocks, variables, if, switch, return, break, continue. */
import { ts } from "ts-morph";
import type { Label } from "../ir/build.ts";
import { sizeOf } from "../layout.ts";
import { annotation } from "./annotations.ts";
import { arrayLiteralLayout, build, buildsAggregate } from "./aggregates.ts";
import { comparison } from "./arithmetic.ts";
import { condition } from "./conditions.ts";
import type { FunctionNode } from "./entities.ts";
import { expression } from "./expressions.ts";
import { returnValue } from "./functions.ts";
import { doLoop, forLoop, forOfLoop, whileLoop } from "./loops.ts";
import { at, bare, bind, fail, scoped, type Lowering } from "./lowering.ts";
import { asPlace, copyPlace, newSlot } from "./memory.ts";
import { entityAt } from "./names.ts";
import { ERROR, type Operand } from "./operand.ts";
import { flatten, variablesFor } from "./shapes.ts";
import { isAggregate, isScalar, type Aggregate, type DslType } from "./types.ts";
import { constantOf, describe, toScalar, typeOf } from "./values.ts";

const K = ts.SyntaxKind;

/** The body of a function or handler. */
export function body(f: Lowering, node: FunctionNode): void {
  if (!node.body) return;
  if (ts.isBlock(node.body)) return block(f, node.body);
  if (f.returns.what === "function") {
    const value = bare(node.body);
    const operand = returnsNothing(f, value);
    if (!operand) returnValue(f, node.body, node.body);
    return;
  }
  returnFrom(f, node.body, node.body);
}
/** `() => log\`x\``: evaluated for its effect. */
function returnsNothing(f: Lowering, node: ts.Expression): boolean {
  if (!ts.isTaggedTemplateExpression(node) && !ts.isVoidExpression(node)) return false;
  expression(f, node);
  f.returns.type ??= { kind: "undefined" };
  return true;
}

export function block(f: Lowering, node: ts.Block): void {
  scoped(f, () => statements(f, node.statements));
}

/** Functions inside of functions are closures; they are reported where they stand. */
export function statements(f: Lowering, list: readonly ts.Statement[]): void {
  for (const one of list) statement(f, one);
}

export function statement(f: Lowering, node: ts.Statement): void {
  switch (node.kind) {
    case K.Block:
      return block(f, node as ts.Block);
    case K.ExpressionStatement:
      return void expression(f, (node as ts.ExpressionStatement).expression);
    case K.VariableStatement:
      return variables(f, (node as ts.VariableStatement).declarationList);
    case K.IfStatement:
      return ifStatement(f, node as ts.IfStatement);
    case K.SwitchStatement:
      return switchStatement(f, node as ts.SwitchStatement, []);
    case K.ReturnStatement:
      return returnFrom(f, node as ts.ReturnStatement, (node as ts.ReturnStatement).expression);
    case K.ForOfStatement:
    case K.ForStatement:
    case K.WhileStatement:
    case K.DoStatement:
      return loop(f, node, []);
    case K.BreakStatement:
    case K.ContinueStatement:
      return jump(f, node as ts.BreakOrContinueStatement);
    case K.LabeledStatement:
      return labeled(f, node as ts.LabeledStatement, []);
    case K.EmptyStatement:
      return;
    case K.TypeAliasDeclaration:
    case K.InterfaceDeclaration:
      return; // annotations that use it ask the type checker what it comes to
    case K.FunctionDeclaration:
      fail(f, "closure", (node as ts.FunctionDeclaration).name ?? node, undefined);
      return bindNothing(f, (node as ts.FunctionDeclaration).name);
    case K.ClassDeclaration:
      fail(f, "not-in-bpf", (node as ts.ClassDeclaration).name ?? node, {
        what: "a class inside of a function",
        instead: "declare it at the top level",
      });
      return bindNothing(f, (node as ts.ClassDeclaration).name);
    case K.ThrowStatement:
      fail(f, "throw", node, undefined);
      // What follows is not reached in JavaScript; here it stays, so that its mistakes are found.
      return;
    case K.TryStatement:
      fail(f, "not-in-bpf", firstToken(f, node), {
        what: "try",
        instead: "nothing is thrown: look at the results of calls",
      });
      return block(f, (node as ts.TryStatement).tryBlock);
    case K.ForInStatement:
      fail(f, "not-in-bpf", (node as ts.ForInStatement).initializer, {
        what: "for … in",
        instead: "for (const x of list)",
      });
      return;
    default:
      fail(f, "not-in-bpf", node, {
        what: "this statement",
        instead: "use if, switch, for … of range(…) and helper functions",
      });
  }
}
const firstToken = (f: Lowering, node: ts.Node): ts.Node => node.getFirstToken(f.file.tree) ?? node;
function bindNothing(f: Lowering, name: ts.Identifier | undefined): void {
  if (name) bind(f, name.text, { kind: "operand", operand: ERROR, node: name, constant: false });
}

// --- variables ---------------------------------------------------------------------------------------------------

export function variables(f: Lowering, list: ts.VariableDeclarationList): void {
  for (const declaration of list.declarations) variable(f, declaration, list.flags);
}

function variable(f: Lowering, node: ts.VariableDeclaration, flags: ts.NodeFlags): void {
  if (!ts.isIdentifier(node.name)) {
    fail(f, "destructuring", node.name, undefined);
    for (const element of node.name.elements)
      if (ts.isBindingElement(element) && ts.isIdentifier(element.name)) bindNothing(f, element.name);
    if (node.initializer) expression(f, node.initializer);
    return;
  }
  if (!(flags & ts.NodeFlags.BlockScoped)) fail(f, "var", node, { name: node.name.text });
  const constant = (flags & ts.NodeFlags.Const) !== 0;
  const name = node.name.text;
  // `const s: string = …`: the texts that it can be are known from its value.
  const plainString = node.type?.kind === K.StringKeyword;
  const declared = node.type && !plainString ? annotation(f, node.type) : undefined;
  const failed = node.type && !plainString && !declared;
  if (!node.initializer) {
    if (!declared) {
      if (!failed) fail(f, "needs-initial", node, { name });
      return bindNothing(f, node.name);
    }
    return uninitialised(f, node, name, declared);
  }
  const init = bare(node.initializer);
  if ((ts.isArrowFunction(init) || ts.isFunctionExpression(init)) && !declared) {
    fail(f, "closure", init, undefined);
    return bindNothing(f, node.name);
  }
  const layout = aggregateOf(f, init, declared);
  if (layout) {
    const place = build(f, layout, init, name);
    // From here on it has a name, so that another variable made from it is a copy.
    return bind(f, name, {
      kind: "operand",
      operand: place ? { kind: "place", type: place.type, at: place.at } : ERROR,
      node,
      constant,
    });
  }
  const operand = expression(f, init, declared);
  if (failed) return bindNothing(f, node.name);
  bindValue(f, name, node, init, operand, declared, constant);
}

/** The layout that an initialiser builds directly into the variable's slot. */
function aggregateOf(f: Lowering, init: ts.Expression, declared: DslType | undefined): Aggregate | undefined {
  if (!buildsAggregate(f, init)) return undefined;
  if (declared && isAggregate(declared)) return declared;
  if (declared) return undefined;
  if (ts.isArrayLiteralExpression(init)) return arrayLiteralLayout(f, init);
  const entity = ts.isNewExpression(init) ? entityAt(f, init.expression) : undefined;
  return entity?.kind === "struct" ? entity.layout : undefined;
}

function uninitialised(f: Lowering, node: ts.VariableDeclaration, name: string, type: DslType): void {
  if (isAggregate(type)) {
    const memory = newSlot(f, type, name, node);
    if (memory) f.b.zero(memory.base, 0, sizeOf(type), memory.align, at(f, node));
    return bind(f, name, {
      kind: "operand",
      operand: memory ? { kind: "place", type, at: memory } : ERROR,
      node,
      constant: false,
    });
  }
  if (type.kind === "context") {
    fail(f, "context-escapes", node, { what: "the context" });
    return bind(f, name, { kind: "operand", operand: ERROR, node, constant: false });
  }
  const variables = variablesFor(type, name);
  for (const one of variables) f.b.set(one, f.b.constant(one.type, 0n, at(f, node)));
  bind(f, name, { kind: "variable", type, variables, node, constant: false });
}

function bindValue(
  f: Lowering,
  name: string,
  node: ts.VariableDeclaration,
  init: ts.Expression,
  operand: Operand,
  declared: DslType | undefined,
  constant: boolean,
): void {
  const keep = (held: Operand): void => bind(f, name, { kind: "operand", operand: held, node, constant });
  if (operand.kind === "error") return keep(ERROR);
  if (operand.kind === "context") {
    if (constant) return keep(operand);
    fail(f, "context-escapes", init, { what: describe(operand) });
    return keep(ERROR);
  }
  if (operand.kind === "entity") {
    if (constant && operand.entity.kind === "map") return keep(operand);
    fail(f, "not-a-value", init, { found: describe(operand) });
    return keep(ERROR);
  }
  // A constant literal stays a literal, which fits whatever stands beside it.
  if (constant && !declared && (operand.kind === "literal" || operand.kind === "text" || operand.kind === "undefined"))
    return keep(operand);
  const type = declared ?? (operand.kind === "text" ? toScalar(f, operand, init)?.type : typeOf(operand));
  if (!type) return keep(ERROR);
  if (isAggregate(type)) return copied(f, name, node, init, operand, type, constant);
  const values = flatten(f, operand, type, init);
  if (!values) return keep(ERROR);
  if (constant && isScalar(type) && values[0]) {
    const range = operand.kind === "scalar" && operand.range ? { range: operand.range } : {};
    return keep({ kind: "scalar", type, value: values[0], ...(type.kind === "int" ? range : {}) });
  }
  if (operand.kind === "nullable" && !operand.ref && !ts.isCallExpression(bare(init)))
    return keep(copiedIfPresent(f, name, node, init, operand));
  if (constant && type.kind !== "undefined" && !declared) return keep(operand);
  const variables = variablesFor(type, name);
  values.forEach((value, index) => f.b.set(variables[index]!, value));
  bind(f, name, { kind: "variable", type, variables, node, constant });
}

/** Structs are values: a variable has a copy, unless it was given a new one. */
function copied(
  f: Lowering,
  name: string,
  node: ts.VariableDeclaration,
  init: ts.Expression,
  operand: Operand,
  type: Aggregate,
  constant: boolean,
): void {
  const place = operand.kind === "place" || operand.kind === "nullable" ? asPlace(f, operand, init) : undefined;
  const checked = place && flatten(f, place, type, init);
  const keep = (held: Operand): void => bind(f, name, { kind: "operand", operand: held, node, constant });
  if (!place || !checked) {
    if (!place)
      fail(f, "type-mismatch", init, {
        expected: describe({ kind: "place", type, at: { base: { id: 0, type: "ptr" }, offset: 0, align: 1 } }),
        found: describe(operand),
      });
    return keep(ERROR);
  }
  // A constant string is never written, and what a map's slot or a call gives is not copied.
  if (place.fresh || place.type.kind === "cstring" || isMapSlot(f, init))
    return keep({ kind: "place", type, at: place.at });
  const memory = newSlot(f, type, name, node);
  if (!memory) return keep(ERROR);
  copyPlace(f, type, memory, place.at, init);
  keep({ kind: "place", type, at: memory });
}
/** An element or field that may be missing: the variable has a copy of it, if it is there. What calls give is referred to. */
function copiedIfPresent(
  f: Lowering,
  name: string,
  node: ts.Node,
  init: ts.Expression,
  operand: Operand & { kind: "nullable" },
): Operand {
  const memory = newSlot(f, operand.of, name, node);
  const place = asPlace(f, operand, init);
  if (!memory || !place) return ERROR;
  const span = at(f, init);
  const pointer = { type: "ptr" as const, name };
  const there = f.b.label();
  const done = f.b.label();
  const none = f.b.constant("ptr", 0n, span);
  f.b.set(pointer, none);
  f.b.branch("ne", operand.pointer, none, there, done, span);
  f.b.place(there);
  copyPlace(f, place.type, memory, place.at, init);
  f.b.set(pointer, memory.base);
  f.b.jump(done, span);
  f.b.place(done);
  const copy = f.b.get(pointer);
  f.b.forget(pointer);
  return { kind: "nullable", of: operand.of, pointer: copy, align: memory.align };
}

/** `map.get(3)` of an array map refers to the slot, as every get() does. */
function isMapSlot(f: Lowering, written: ts.Expression): boolean {
  const node = bare(written);
  return (
    ts.isCallExpression(node) &&
    ts.isPropertyAccessExpression(node.expression) &&
    node.expression.name.text === "get" &&
    entityAt(f, node.expression.expression)?.kind === "map"
  );
}

// --- control flow ------------------------------------------------------------------------------------------------

function ifStatement(f: Lowering, first: ts.IfStatement): void {
  const done = f.b.label();
  // A chain of else-ifs is a list, not a tree as deep as it is long.
  for (let node: ts.IfStatement | undefined = first; node;) {
    const yes = f.b.label();
    const no = node.elseStatement ? f.b.label() : done;
    condition(f, node.expression, yes, no);
    f.b.place(yes);
    scoped(f, () => statement(f, node!.thenStatement));
    f.b.jump(done, at(f, node.thenStatement));
    const other: ts.Statement | undefined = node.elseStatement;
    if (other) f.b.place(no);
    if (other && ts.isIfStatement(other)) node = other;
    else {
      if (other) {
        scoped(f, () => statement(f, other));
        f.b.jump(done, at(f, other));
      }
      node = undefined;
    }
  }
  f.b.place(done);
}

function switchStatement(f: Lowering, node: ts.SwitchStatement, names: readonly string[]): void {
  const { clauses } = node.caseBlock;
  const span = at(f, node.expression);
  const subject = expression(f, node.expression);
  const scalar = subject.kind === "error" ? undefined : toScalar(f, subject, node.expression);
  const done = f.b.label();
  const labels = clauses.map(() => f.b.label());
  const fallback = clauses.findIndex((clause) => ts.isDefaultClause(clause));
  const other = fallback >= 0 ? labels[fallback]! : done;
  const cases: { value: bigint; to: Label }[] = [];
  const chain: { test: ts.Expression; to: Label }[] = [];
  clauses.forEach((clause, index) => {
    if (!ts.isCaseClause(clause)) return;
    const value = scalar && caseConstant(f, clause.expression, scalar);
    if (value === undefined) chain.push({ test: clause.expression, to: labels[index]! });
    else if (value !== null && !cases.some((one) => one.value === value)) cases.push({ value, to: labels[index]! });
  });
  if (!scalar) {
    // Every clause is still looked at.
    const unknown = f.b.call("get_prandom_u32", [], "w32", span);
    f.b.switch(
      unknown,
      labels.map((to, index) => ({ value: BigInt(index), to })),
      other,
      span,
    );
  } else if (chain.length === 0) f.b.switch(scalar.value, cases, other, span);
  else testsInOrder(f, node, scalar, labels, other);
  scoped(f, () => {
    f.jumps.push({ names, onBreak: done });
    clauses.forEach((clause, index) => {
      f.b.jump(labels[index]!, at(f, clause));
      f.b.place(labels[index]!);
      statements(f, clause.statements);
    });
    f.jumps.pop();
  });
  f.b.jump(done, at(f, node));
  f.b.place(done);
}

/** The bits of a constant case; undefined when it is not constant, null when it was reported. */
function caseConstant(
  f: Lowering,
  node: ts.Expression,
  subject: ReturnType<typeof toScalar> & object,
): bigint | undefined | null {
  const operand = expression(f, node, subject.type);
  if (operand.kind === "error") return null;
  const found = comparison(f, K.EqualsEqualsEqualsToken, subject, operand, node, node, node);
  if (!found) return null;
  const constant = f.b.constantOf(found.right);
  if (constant !== undefined) return constant;
  const scalar = toScalar(f, operand, node);
  return scalar && constantOf(f, scalar) !== undefined ? (f.b.constantOf(scalar.value) ?? undefined) : undefined;
}

/** A switch with cases that are not constant: compared one after another. */
function testsInOrder(
  f: Lowering,
  node: ts.SwitchStatement,
  subject: ReturnType<typeof toScalar> & object,
  labels: readonly Label[],
  other: Label,
): void {
  node.caseBlock.clauses.forEach((clause, index) => {
    if (!ts.isCaseClause(clause)) return;
    const next = f.b.label();
    const found = comparison(
      f,
      K.EqualsEqualsEqualsToken,
      subject,
      expression(f, clause.expression, subject.type),
      clause.expression,
      clause.expression,
      clause.expression,
    );
    if (found) f.b.branch(found.op, found.left, found.right, labels[index]!, next, at(f, clause.expression));
    else f.b.jump(next, at(f, clause.expression));
    f.b.place(next);
  });
  f.b.jump(other, at(f, node));
}

function returnFrom(f: Lowering, node: ts.ReturnStatement | ts.Expression, value: ts.Expression | undefined): void {
  const { returns } = f;
  if (returns.what === "function") return returnValue(f, node, value);
  if (returns.result) {
    const operand = value ? expression(f, value, returns.type) : ERROR;
    const values = value && returns.type ? flatten(f, operand, returns.type, value) : undefined;
    if (values?.[0]) f.b.set(returns.result, values[0]);
  } else if (value) expression(f, value); // that a handler gives no value is the type checker's to say
  f.b.jump(returns.to!, at(f, node));
}

function loop(f: Lowering, node: ts.Statement, names: readonly string[]): void {
  if (ts.isForOfStatement(node)) return forOfLoop(f, node, names);
  if (ts.isForStatement(node)) return forLoop(f, node, names);
  if (ts.isWhileStatement(node)) return whileLoop(f, node, names);
  if (ts.isDoStatement(node)) return doLoop(f, node, names);
}

function labeled(f: Lowering, node: ts.LabeledStatement, outer: readonly string[]): void {
  const names = [...outer, node.label.text];
  const inner = node.statement;
  if (ts.isLabeledStatement(inner)) return labeled(f, inner, names);
  if (ts.isIterationStatement(inner, false)) return loop(f, inner, names);
  if (ts.isSwitchStatement(inner)) return switchStatement(f, inner, names);
  const done = f.b.label();
  f.jumps.push({ names, onBreak: done, labelOnly: true });
  statement(f, inner);
  f.jumps.pop();
  f.b.jump(done, at(f, node));
  f.b.place(done);
}

function jump(f: Lowering, node: ts.BreakOrContinueStatement): void {
  const leaving = node.kind === K.BreakStatement;
  const name = node.label?.text;
  for (let index = f.jumps.length - 1; index >= 0; index--) {
    const target = f.jumps[index]!;
    const named =
      name === undefined ? !target.labelOnly && (leaving || target.onContinue) : target.names.includes(name);
    if (!named) continue;
    const to = leaving ? target.onBreak : target.onContinue;
    if (to) f.b.jump(to, at(f, node));
    return;
  }
}
