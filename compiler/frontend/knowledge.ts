/** What must be known of a reference beside its type: how it is aligned, and whether it may be written. */
import { alignOf } from "../layout.ts";
import type { Binding, Lowering } from "./lowering.ts";
import { placeAlign, type Operand, type Origin } from "./operand.ts";
import { assemble, type Knowledge } from "./shapes.ts";
import { isAggregate, type DslType } from "./types.ts";

/** Of an operand that travels as this type. Nothing, where the type is no reference to a struct. */
export function knowledge(operand: Operand, type: DslType): Knowledge {
  if (!isAggregate(type) && !(type.kind === "optional" && isAggregate(type.of))) return {};
  const natural = alignOf(isAggregate(type) ? type : (type.of as never));
  const align =
    operand.kind === "place" ? placeAlign(operand.at) : operand.kind === "nullable" ? operand.align : natural;
  const readOnly =
    operand.kind === "place" ? operand.at.readOnly : operand.kind === "nullable" ? operand.readOnly : undefined;
  const origin: Origin = operand.kind === "place" ? operand.at : operand.kind === "nullable" ? operand : {};
  // A function is made anew for memory of the kernel's, of which not all can be said inside that can of a program's own.
  const ofState = origin.root?.kind === "state" ? { root: origin.root } : {};
  return { align: Math.min(align, natural), readOnly, ...ofState };
}

type Variable = Binding & { readonly kind: "variable" };

/** What a variable's present value is, of which its declaration and all assignments say what must be known. */
export const presentValue = (f: Lowering, { type, variables, node }: Variable): Operand =>
  assemble(
    type,
    variables.map((variable) => f.b.get(variable)),
    f.state.references.known.get(node),
  );

/**
 * A variable refers to what the operand does, among others: its alignment is the least of all, and what may not be written in
 * one case may not at all. Where an assignment says less than what was known, uses that came before it may be reached after it,
 * in a loop: all is lowered again with what is known now.
 */
export function refersTo(f: Lowering, { type, node }: Variable, operand: Operand, when: "declared" | "assigned"): void {
  if (operand.kind !== "place" && operand.kind !== "nullable") return;
  const more = knowledge(operand, type);
  const natural = knowledge({ kind: "undefined" }, type);
  const before = f.state.references.known.get(node) ?? natural;
  const align = Math.min(before.align ?? 8, more.align ?? 8);
  const readOnly = before.readOnly ?? more.readOnly;
  const root = before.root ?? more.root;
  if (align === (before.align ?? 8) && readOnly === before.readOnly && root === before.root) return;
  f.state.references.known.set(node, { align, readOnly, ...(root ? { root } : {}) });
  if (when === "assigned") f.state.references.again = true;
}
