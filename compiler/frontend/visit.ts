/**
 * The way back to expressions, statements and declarations for what they are made of. A call has arguments and a loop has a body; if each
 * file imported the visitors, all would import each other. `visitors.ts` hands them over, once for a module.
 */
import type { ts } from "ts-morph";
import type { Entity } from "./entities.ts";
import { scoped, type Lowering } from "./lowering.ts";
import type { Declaration, FileScope, ModuleState } from "./module-state.ts";
import type { Operand } from "./operand.ts";
import type { DslType } from "./types.ts";

type Link = ts.PropertyAccessExpression | ts.ElementAccessExpression | ts.CallExpression;

export interface Visitors {
  readonly expression: (f: Lowering, node: ts.Expression, expected?: DslType) => Operand;
  readonly asBoolean: (f: Lowering, node: ts.Expression) => Operand;
  readonly entityOperand: (f: Lowering, entity: Entity, node: ts.Node) => Operand;
  readonly link: (f: Lowering, node: Link, expected?: DslType) => Operand;
  readonly statement: (f: Lowering, node: ts.Statement) => void;
  readonly evaluate: (state: ModuleState, scope: FileScope, name: string, declaration: Declaration) => Entity;
}

/** What an expression is; `expected` is the type that its place wants. */
export const expression: Visitors["expression"] = (f, node, expected) => f.state.visit.expression(f, node, expected);
/** A condition as a value. */
export const asBoolean: Visitors["asBoolean"] = (f, node) => f.state.visit.asBoolean(f, node);
/** What a name at the top of a file stands for, as an operand. */
export const entityOperand: Visitors["entityOperand"] = (f, entity, node) =>
  f.state.visit.entityOperand(f, entity, node);
/** One link of a chain of members, elements and calls. */
export const link: Visitors["link"] = (f, node, expected) => f.state.visit.link(f, node, expected);
export const statement: Visitors["statement"] = (f, node) => f.state.visit.statement(f, node);
/** What a declaration at the top of a file declares. */
export const evaluate: Visitors["evaluate"] = (state, scope, name, declaration) =>
  state.visit.evaluate(state, scope, name, declaration);

/** Functions inside of functions are closures; they are reported where they stand. */
export function statements(f: Lowering, list: readonly ts.Statement[]): void {
  for (const one of list) statement(f, one);
}
export function block(f: Lowering, node: ts.Block): void {
  scoped(f, () => statements(f, node.statements));
}
