/** The switch statement. */
import { ts } from "ts-morph";
import type { Label } from "../ir/build.ts";
import { comparison } from "./comparisons.ts";
import { compare, mayBeMissing } from "./conditions.ts";
import { hasEffect } from "./effects.ts";
import { at, bare, scoped, type Lowering } from "./lowering.ts";
import type { Operand, Scalar } from "./operand.ts";
import { toScalar } from "./values.ts";
import { expression, statements } from "./visit.ts";

const K = ts.SyntaxKind;

/** A switch with constant and other cases, and what its clauses do. `names` are its labels. */
export function switchStatement(f: Lowering, node: ts.SwitchStatement, names: readonly string[]): void {
  const { clauses } = node.caseBlock;
  const subject = expression(f, node.expression);
  const done = f.b.label();
  const labels = clauses.map(() => f.b.label());
  const fallback = clauses.findIndex((clause) => ts.isDefaultClause(clause));
  const other = fallback >= 0 ? labels[fallback]! : done;
  if (subject.kind === "error") {
    // Every clause is still looked at.
    const span = at(f, node.expression);
    const targets = labels.map((to, index) => ({ value: BigInt(index), to }));
    f.b.switch(f.b.call("get_prandom_u32", [], "w32", span), targets, other, span);
  } else if (mayBeMissing(subject)) testEach(f, node, subject, labels, other);
  else {
    const scalar = toScalar(f, subject, node.expression);
    if (scalar) testInOrder(f, node, scalar, labels, other);
    else f.b.jump(other, at(f, node));
  }
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

/** One comparison after the other: for a value that may be undefined. */
function testEach(
  f: Lowering,
  node: ts.SwitchStatement,
  subject: Operand,
  labels: readonly Label[],
  other: Label,
): void {
  node.caseBlock.clauses.forEach((clause, index) => {
    if (!ts.isCaseClause(clause)) return;
    const next = f.b.label();
    const test = { operand: expression(f, clause.expression), node: clause.expression };
    const value = { operand: subject, node: node.expression };
    compare(f, K.EqualsEqualsEqualsToken, value, test, clause.expression, labels[index]!, next);
    f.b.place(next);
  });
  f.b.jump(other, at(f, node));
}

/** Cases in their order, each evaluated once and when its turn comes. Constant ones beside each other are one switch. */
function testInOrder(
  f: Lowering,
  node: ts.SwitchStatement,
  subject: Scalar,
  labels: readonly Label[],
  other: Label,
): void {
  let cases: { value: bigint; to: Label }[] = [];
  const decide = (otherwise: Label): void => {
    if (cases.length > 0) f.b.switch(subject.value, cases, otherwise, at(f, node.expression));
    else f.b.jump(otherwise, at(f, node.expression));
    cases = [];
  };
  const decideBefore = (): void => {
    if (cases.length === 0) return;
    const next = f.b.label();
    decide(next);
    f.b.place(next);
  };
  node.caseBlock.clauses.forEach((clause, index) => {
    if (!ts.isCaseClause(clause)) return;
    const test = bare(clause.expression);
    // What only reads may be looked at before the constant cases before it are decided.
    if (hasEffect(f, test)) decideBefore();
    const operand = expression(f, test, subject.type);
    if (operand.kind === "error") return;
    if (!mayBeMissing(operand)) {
      const found = comparison(f, K.EqualsEqualsEqualsToken, subject, operand, test, test, test);
      if (!found) return;
      const value = f.b.constantOf(found.right);
      if (value !== undefined) {
        if (!cases.some((one) => one.value === value)) cases.push({ value, to: labels[index]! });
        return;
      }
    }
    decideBefore();
    const next = f.b.label();
    const value = { operand: subject, node: node.expression };
    compare(f, K.EqualsEqualsEqualsToken, value, { operand, node: test }, test, labels[index]!, next);
    f.b.place(next);
  });
  decide(other);
}
