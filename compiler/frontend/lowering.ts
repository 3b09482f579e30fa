/** One function being lowered: its builder, its names, where `break`, `continue` and `return` lead. */
import { ts } from "ts-morph";
import type { FactsOf, Key, Note } from "../diagnostics.ts";
import type { FuncBuilder, Label, Variable } from "../ir/build.ts";
import type { Value } from "../ir/ir.ts";
import type { Span } from "../span.ts";
import { say, spanOf, type ModuleState } from "./module-state.ts";
import type { Given, Operand, Origin, Place } from "./operand.ts";
import type { ParsedFile } from "./project.ts";
import type { Replaced } from "./references.ts";
import { typeName, type Aggregate, type DslType, type ScalarType } from "./types.ts";

/** What a local name stands for. */
export type Binding =
  /** A constant, a parameter that is never assigned, a struct. */
  | {
      readonly kind: "operand";
      readonly operand: Operand;
      readonly node: ts.Node;
      readonly constant: boolean;
      /** The struct was made for this name; else the name refers to one that lies somewhere. */
      readonly owns?: true;
    }
  /** A variable; optional values have two IR variables (present, value), pointers and scalars one. */
  | {
      readonly kind: "variable";
      readonly type: DslType;
      readonly variables: readonly Variable[];
      readonly node: ts.Node;
      readonly constant: boolean;
      /** What it was made to refer to so far. */
      readonly holds?: Origin[];
    };

export interface Scope {
  readonly names: Map<string, Binding>;
  readonly parent: Scope | undefined;
}

export interface JumpTarget {
  /** Labels written before the statement. */
  readonly names: readonly string[];
  readonly onBreak: Label;
  /** A label on an ordinary statement: only `break name` leads there. */
  readonly labelOnly?: true;
  /** Absent for `switch`. */
  readonly onContinue?: Label;
  /** What must be done on every way out of it that does not go through `onBreak`. */
  readonly leave?: (span: Span) => void;
}

/** What `return` does. */
export interface Returns {
  /** What the function is for its caller, in words. */
  readonly what: "function" | "handler" | "sockOps";
  /** Known from the annotation, else from the first `return`. */
  type: DslType | undefined;
  readonly annotated: boolean;
  /** Where handlers go on: they are part of a larger program. */
  readonly to?: Label;
  /** Of the references that were given back so far. */
  given?: Given | undefined;
  /** For `sockOps`: the program's result. */
  readonly result?: Variable;
}

export interface Lowering {
  readonly state: ModuleState;
  readonly b: FuncBuilder;
  readonly file: ParsedFile;
  scope: Scope;
  readonly jumps: JumpTarget[];
  readonly returns: Returns;
  /** Stack slots for a helper's arguments, used again by the next call of the same shape. */
  readonly scratch: Map<string, Value>;
  /** For what cannot happen but the verifier cannot know: leads to the end of the function, or of what must be left in order. */
  impossible: Label;
  /** In the initialiser of a top-level constant: there is no run time. */
  readonly constantOnly: boolean;
  /** References that were evaluated and are still to be used, while something else is evaluated. */
  readonly held: Operand[];
  /** What the function replaces as a whole, of what is not its own. */
  readonly replaced: Replaced[];
  /** Which handler this is ("write"), for rules that depend on it. */
  readonly handler?: string;
}

export const at = (f: Pick<Lowering, "file">, node: ts.Node): Span => spanOf(f.file, node);

/** Reports at a node. */
export function fail<K extends Key>(
  f: Lowering,
  key: K,
  node: ts.Node,
  facts: FactsOf<K>,
  notes: readonly Note[] = [],
): Operand {
  say(f.state, key, at(f, node), facts, notes);
  return { kind: "error" };
}

/** For what the type checker reports in better words; if it does not, the expression is reported after all. */
export function silent(f: Pick<Lowering, "state" | "file">, node: ts.Node): Operand {
  f.state.silent ??= at(f, node);
  return { kind: "error" };
}

/** Before `return` and the like: leaves everything that stands around it, the innermost first, down to `depth`. */
export function leaveAll(f: Lowering, span: Span, depth = 0): void {
  for (let index = f.jumps.length - 1; index >= depth; index--) f.jumps[index]!.leave?.(span);
}

export function bind(f: Lowering, name: string, binding: Binding): void {
  f.scope.names.set(name, binding);
  found(f, name, binding);
}

/** What a variable's type is, for editors. Literals have none yet. */
function found(f: Lowering, name: string, binding: Binding): void {
  const { node } = binding;
  const declared = ts.isIdentifier(node) ? node.parent : node;
  if (!ts.isVariableDeclaration(declared) && !ts.isParameter(declared)) return;
  const type = binding.kind === "variable" ? binding.type : boundType(binding.operand);
  if (!type || !ts.isIdentifier(declared.name)) return;
  f.state.findings.push({
    kind: "variable",
    at: at(f, declared.name),
    name,
    type: typeName(type),
    annotated: declared.type !== undefined,
  });
}
function boundType(operand: Operand): DslType | undefined {
  if (operand.kind === "scalar" || operand.kind === "place") return operand.type;
  if (operand.kind === "optional") return { kind: "optional", of: operand.of };
  if (operand.kind === "nullable")
    return { kind: "optional", of: operand.of as ScalarType | Aggregate, ...(operand.ref ? { ref: true } : {}) };
  return undefined;
}

export function lookup(f: Lowering, name: string): Binding | undefined {
  for (let scope: Scope | undefined = f.scope; scope; scope = scope.parent) {
    const found = scope.names.get(name);
    if (found) return found;
  }
  return undefined;
}
/** Runs in a scope of its own; its variables end with it. */
export function scoped<T>(f: Lowering, run: () => T): T {
  const outer = f.scope;
  f.scope = { names: new Map(), parent: outer };
  try {
    return run();
  } finally {
    for (const binding of f.scope.names.values())
      if (binding.kind === "variable") binding.variables.forEach((v) => f.b.forget(v));
    f.scope = outer;
  }
}

/** A stack slot for short use: filled and read before anything else can use it. */
export function scratch(f: Lowering, size: number, align: number, name: string, span: Span): Value {
  const key = `${name} ${size} ${align}`;
  const known = f.scratch.get(key);
  if (known) return known;
  const made = f.b.slot(size, align, name, span);
  f.scratch.set(key, made);
  return made;
}

/** The address of a place as one pointer. */
export function pointerTo(f: Lowering, place: Pick<Place, "at">, span: Span): Value {
  if (place.at.offset === 0) return place.at.base;
  return f.b.ptradd(place.at.base, f.b.constant("w64", BigInt(place.at.offset), span), span);
}

/** Parentheses change nothing. */
export function bare(node: ts.Expression): ts.Expression {
  let found = node;
  while (ts.isParenthesizedExpression(found)) found = found.expression;
  return found;
}
