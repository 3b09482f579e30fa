/**
 * Errors of TypeScript's checker that another error explains: the type of a value is not known because what makes it is wrong. One
 * mistake is told once, at its place.
 */
import { ts } from "ts-morph";
import type { Diagnostic } from "../diagnostics.ts";
import { unlessCheckerFails } from "./checker-failure.ts";
import { nodeAt } from "./edits.ts";
import type { ModuleState } from "./module-state.ts";
import type { ParsedFile } from "./project.ts";

interface Place {
  readonly state: ModuleState;
  readonly file: ParsedFile;
  /** Errors that are reported already. */
  readonly errors: readonly Diagnostic[];
  readonly text: string;
}
type Explained = (one: ts.Diagnostic, place: Place) => boolean;

/** Told only where nothing else is. */
const whereOthersAre: Explained = (_, { errors }) => errors.length > 0;
const whereOthersAreAnd =
  (pattern: RegExp): Explained =>
  (_, { errors, text }) =>
    errors.length > 0 && pattern.test(text);

/** A parameter of a handler that is given to a function which is not there. */
const ofUnknownCall: Explained = (one, { state, file }) => {
  const start = one.start ?? 0;
  const call = ts.findAncestor(nodeAt(file, start, start + (one.length ?? 0)), ts.isCallExpression);
  if (!call || !ts.isIdentifier(call.expression)) return false;
  const checker = state.project.program().getTypeChecker();
  const type = unlessCheckerFails(() => checker.getTypeAtLocation(call.expression));
  return type !== undefined && (type.flags & ts.TypeFlags.Any) !== 0;
};

/** `x` behind a test for null, which has an error of its own: as a test for undefined it says that x is there. */
const afterNullTest: Explained = (_, { file, errors, text }) => {
  const name = /^'(.+)' is possibly/.exec(text)?.[1];
  const isNull = (one: Diagnostic): boolean =>
    one.span?.file === file.index && file.source.text.slice(one.span.start, one.span.end) === "null";
  return (
    name !== undefined &&
    errors.some(
      (one) =>
        isNull(one) &&
        file.source.text
          .slice(0, one.span!.start)
          .trimEnd()
          .replace(/[!=]==?$/, "")
          .trimEnd()
          .endsWith(name),
    )
  );
};

/** By TypeScript's number. */
const EXPLAINED: Readonly<Record<number, Explained>> = {
  // A type that only what is not in the language needs (ImportMeta, Promise).
  2318: whereOthersAre,
  2322: whereOthersAreAnd(/StructName</),
  2339: whereOthersAreAnd(/on type '(object|unknown|\{\})'/),
  2345: whereOthersAreAnd(/\[a: Printable\]/),
  2365: whereOthersAreAnd(/'(unknown|\{\})'/),
  7006: ofUnknownCall,
  // A circle of constants is told once.
  7022: (_, { errors }) => errors.some((one) => one.key === "constant-cycle"),
  18046: whereOthersAre,
  18048: afterNullTest,
};

/** Whether an error that is reported already explains one of the checker's. */
export const isFollowUp = (state: ModuleState, file: ParsedFile, one: ts.Diagnostic): boolean =>
  EXPLAINED[one.code]?.(one, {
    state,
    file,
    errors: state.diagnostics.filter((other) => other.severity === "error"),
    text: ts.flattenDiagnosticMessageText(one.messageText, "\n"),
  }) ?? false;
