/** The switch statement. */
import { ts } from "ts-morph";
import type { Label } from "../ir/build.ts";
import { comparison } from "./arithmetic.ts";
import { expression } from "./expressions.ts";
import { at, scoped, type Lowering } from "./lowering.ts";
import { statements } from "./statements.ts";
import { constantOf, toScalar } from "./values.ts";

const K = ts.SyntaxKind;

/** A switch with constant and other cases, and what its clauses do. `names` are its labels. */
export function switchStatement(f: Lowering, node: ts.SwitchStatement, names: readonly string[]): void {
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
