/**
 * Names that stand for structs. In JavaScript a name keeps the struct that it was given, even where another one is put into the
 * field it came from; here a field is memory, and putting a struct into it copies. Where that would show, it is an error.
 */
import { ts } from "ts-morph";
import { type Layout, sameLayout, sizeOf } from "../layout.ts";
import { at, fail, type Binding, type Lowering } from "./lowering.ts";
import { say } from "./module-state.ts";
import { originOf, type Operand, type Origin, type Root } from "./operand.ts";
import { isAggregate, isPrimitive } from "./types.ts";
import { isStoreThrough, loopsAround, nameOf, scopeOf, usedAfter, usesIn } from "./uses.ts";

/** Memory whose content as a whole becomes another. */
export interface Replaced extends Origin {
  readonly type: Layout;
  /** An entry of a map that is removed, or may become another one in place of it. */
  readonly entry?: "set" | "delete";
  /** As written. */
  readonly text: string;
}

export const textOf = (f: Lowering, node: ts.Node): string => {
  const text = node.getText(f.file.tree).replaceAll(/\s+/g, " ");
  return text.length > 40 ? `${text.slice(0, 39)}…` : text;
};

/** Does a value of `inner`, or one that holds it, lie in `outer`? */
function holds(outer: Layout, inner: Layout): boolean {
  if (sameLayout(outer, inner)) return true;
  if (outer.kind === "array") return holds(outer.of, inner);
  return outer.kind === "struct" && outer.fields.some((field) => holds(field.layout, inner));
}

/** Can both lie in one thing? */
function mayMeet(a: Root | undefined, b: Root | undefined): boolean {
  if (!a || !b) return true;
  if (a.kind === "parameter" || b.kind === "parameter") return a.kind !== "slot" && b.kind !== "slot";
  if (a.kind === "slot" && b.kind === "slot") return a.slot.id === b.slot.id;
  if (a.kind === "state" && b.kind === "state") return true;
  if (a.kind === "global" && b.kind === "global") return a.name === b.name;
  if (a.kind === "map" && b.kind === "map")
    return a.name === b.name && (a.key === undefined || b.key === undefined || a.key === b.key);
  return false;
}
/** Are both certainly counted from one beginning? Values of one map all begin alike. */
const sameBeginning = (a: Root | undefined, b: Root | undefined): boolean =>
  a !== undefined &&
  b !== undefined &&
  a.kind === b.kind &&
  (a.kind !== "parameter" || a.index === (b as typeof a).index) &&
  mayMeet(a, b);

/** May a store over `whole` replace what `part` stands for? */
function mayReplace(whole: Replaced, part: { readonly type: Layout } & Origin): boolean {
  if (!holds(whole.type, part.type) || !mayMeet(whole.root, part.root)) return false;
  if (whole.from === undefined || part.from === undefined || !sameBeginning(whole.root, part.root)) return true;
  return part.from >= whole.from && part.from + sizeOf(part.type) <= whole.from + sizeOf(whole.type);
}

/** What an operand refers to, if it is a reference. */
function referred(operand: Operand): Referred | undefined {
  if (operand.kind === "place") return { type: operand.type, ...originOf(operand.at) };
  if (operand.kind === "ref") return { type: operand.of, ...originOf(operand.at) };
  return operand.kind === "nullable" ? { type: operand.of, ...originOf(operand) } : undefined;
}
type Referred = { readonly type: Layout } & Origin;
function referredBy(binding: Binding): Referred[] {
  if (binding.kind === "operand") {
    const one = binding.owns ? undefined : referred(binding.operand);
    return one ? [one] : [];
  }
  const { type, holds = [{}] } = binding;
  const of = type.kind === "optional" || type.kind === "ref" ? type.of : type;
  const refers = isAggregate(of) || type.kind === "ref" || (type.kind === "optional" && type.ref === true);
  return refers && (isAggregate(of) || isPrimitive(of)) ? holds.map((origin) => ({ type: of, ...origin })) : [];
}

/**
 * Memory is replaced as a whole at `node`: an error where a name that stands for it is used afterwards. `stored`: the expression
 * whose value is put there. A name that is stored stands for no other struct than before: it lies elsewhere, or there already.
 */
export function replace(f: Lowering, whole: Replaced, node: ts.Node, stored?: ts.Expression): void {
  // Who calls this function may have names for what is not its own.
  if (whole.root?.kind !== "slot") f.replaced.push(whole);
  // Scalars behind a Ref are no structs: a store to them is seen through it. Another entry is not.
  const affected = (part: Referred): boolean =>
    mayReplace(whole, part) && (whole.entry !== undefined || isAggregate(part.type));
  const inUse = f.held.flatMap((held) => referred(held) ?? []);
  if (!whole.entry && inUse.some(affected)) return void fail(f, "replaced-in-use", node, { what: whole.text });
  const seen = new Set<string>(stored ? [nameOf(stored) ?? ""] : []);
  for (let scope = f.scope as Lowering["scope"] | undefined; scope; scope = scope.parent)
    for (const [name, binding] of scope.names) {
      if (seen.has(name)) continue;
      seen.add(name);
      const around = scopeOf(binding.node);
      let parts = referredBy(binding);
      // In a loop it may refer to what it is given further down.
      const [first] = parts;
      if (binding.kind === "variable" && first && usedAfter(node, around, name, isAssigned))
        parts = [{ type: first.type }];
      if (!parts.some(affected) || !usedAfter(node, around, name)) continue;
      const note = { span: at(f, binding.node), text: `${name} is declared here` };
      if (whole.entry)
        say(f.state, "stale-reference", at(f, node), { name, what: whole.text, how: whole.entry }, [note]);
      else fail(f, "reference-replaced", node, { name, what: whole.text, copy: copyOf(f, binding, name) }, [note]);
    }
}
const isAssigned = (use: ts.Identifier): boolean =>
  ts.isBinaryExpression(use.parent) &&
  use.parent.left === use &&
  use.parent.operatorToken.kind === ts.SyntaxKind.EqualsToken;

/** How a copy of what a name stands for is written. */
export function copyOf(f: Lowering, binding: Binding, name: string): string {
  const type = referredBy(binding)[0]?.type;
  const { node } = binding;
  const from =
    ts.isVariableDeclaration(node) && node.initializer
      ? textOf(f, node.initializer)
      : type?.kind === "struct"
        ? name
        : "";
  return type ? copyText(type, from) : from;
}
/** A list is copied as part of the struct around it. */
export const copyText = (type: Layout, from: string): string =>
  type.kind === "struct" ? `new ${type.name}(${from})` : "new S(…).list";

/** What a call replaces, in the caller's terms. */
export function replacedByCall(
  f: Lowering,
  replaced: readonly Replaced[],
  args: readonly (Operand | undefined)[],
  node: ts.CallExpression,
): void {
  for (const one of replaced) {
    const argument = one.root?.kind === "parameter" ? args[one.root.index] : undefined;
    const given = argument && referred(argument);
    const { root: _, from, ...rest } = one;
    const start = given?.from === undefined || from === undefined ? undefined : given.from + from;
    const origin: Origin =
      one.root?.kind !== "parameter"
        ? originOf(one)
        : { ...(given?.root ? { root: given.root } : {}), ...(start === undefined ? {} : { from: start }) };
    replace(f, { ...rest, ...origin, text: `${textOf(f, node.expression)}()` }, node);
  }
}

/** Runs while a reference that was evaluated before is still to be used. */
export function holding<T>(f: Lowering, operand: Operand | undefined, run: () => T): T {
  if (!operand || !referred(operand)) return run();
  f.held.push(operand);
  try {
    return run();
  } finally {
    f.held.pop();
  }
}

export const turnsOf = (operand: Operand | undefined): number | undefined =>
  operand?.kind === "place" ? operand.at.turns : operand?.kind === "nullable" ? operand.turns : undefined;

/** A name that outlives a turn of a loop must not stand for a struct of that turn: the next turn's is made in its place. */
export function outlives(f: Lowering, binding: Binding, name: string, operand: Operand, node: ts.Node): boolean {
  const turns = turnsOf(operand);
  if (turns === undefined || turns <= loopsAround(binding.node)) return false;
  const type = operand.kind === "place" ? operand.type : operand.kind === "nullable" ? operand.of : undefined;
  fail(f, "reference-outlives", node, { name, what: textOf(f, node), copy: copyText(type!, textOf(f, node)) });
  return true;
}

/** A struct of its own is copied into another at `node`: a warning when it is written afterwards, and that is never read. */
export function copied(f: Lowering, operand: Operand, written: ts.Expression, node: ts.Node, into: string): void {
  const name = nameOf(written);
  if (name === undefined || operand.kind !== "place") return;
  let scope: Lowering["scope"] | undefined = f.scope;
  while (scope && !scope.names.has(name)) scope = scope.parent;
  const binding = scope?.names.get(name);
  if (binding?.kind !== "operand" || !binding.owns) return;
  const around = scopeOf(binding.node);
  // Another name may stand for it.
  if (usesIn(around, name, (use) => isReferredTo(use))) return;
  if (!usedAfter(node, around, name, isStoreThrough) || usedAfter(node, around, name, (use) => !isStoreThrough(use)))
    return;
  let first: ts.Identifier | undefined;
  usesIn(around, name, (use) => isStoreThrough(use) && use.pos >= node.end && ((first = use), true));
  say(f.state, "copy-written", at(f, first ?? node), { name, into }, [
    { span: at(f, node), text: `${name} was copied here` },
  ]);
}
/** `const other = name` or `const part = name.field`. */
const isReferredTo = (use: ts.Identifier): boolean => {
  let node: ts.Node = use;
  while (ts.isPropertyAccessExpression(node.parent) || ts.isElementAccessExpression(node.parent)) node = node.parent;
  return ts.isVariableDeclaration(node.parent) && node.parent.initializer === node;
};
