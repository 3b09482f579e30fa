/** Statements: blocks, if, return, break, continue, labels. */
import { ts } from "ts-morph";
import { condition } from "./conditions.ts";
import type { FunctionNode } from "./entities.ts";
import { returnValue } from "./returns.ts";
import { doLoop, forLoop, forOfLoop, whileLoop } from "./loops.ts";
import { at, bare, fail, leaveAll, scoped, type Lowering } from "./lowering.ts";
import { ERROR } from "./operand.ts";
import { flatten } from "./shapes.ts";
import { switchStatement } from "./switch.ts";
import { bindNothing, variables } from "./variables.ts";
import { block, expression } from "./visit.ts";

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

function returnFrom(f: Lowering, node: ts.ReturnStatement | ts.Expression, value: ts.Expression | undefined): void {
  const { returns } = f;
  if (returns.what === "function") return returnValue(f, node, value);
  if (returns.result) {
    const operand = value ? expression(f, value, returns.type) : ERROR;
    const values = value && returns.type ? flatten(f, operand, returns.type, value) : undefined;
    if (values?.[0]) f.b.set(returns.result, values[0]);
  } else if (value) expression(f, value); // that a handler gives no value is the type checker's to say
  leaveAll(f, at(f, node));
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
    leaveAll(f, at(f, node), index + 1);
    if (to) f.b.jump(to, at(f, node));
    return;
  }
}
