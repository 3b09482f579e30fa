/**
 * What the TypeScript checker finds, in our words where they are better. A line on which lowering has an error of its own is left to
 * that one, so that one mistake is one report.
 */
import { ts } from "ts-morph";
import { report, type Diagnostic, type Fix } from "../diagnostics.ts";
import type { Span } from "../span.ts";
import { isCheckerFailure } from "./checker-failure.ts";
import { expressionAt, importFix, nodeAt, testFor, testText, valueOf } from "./edits.ts";
import { isFollowUp } from "./follow-ups.ts";
import { lineStarts, lineOf } from "./line-index.ts";
import { say, spanOf, type ModuleState } from "./module-state.ts";
import type { ParsedFile } from "./project.ts";
import { getCall } from "./remedies.ts";
import { reworded, type About, type Words } from "./typescript-words.ts";

export function typeScriptErrors(state: ModuleState, file: ParsedFile, which: "syntax" | "types"): Diagnostic[] {
  if (which === "syntax") {
    const parsed = (file.tree as { parseDiagnostics?: readonly ts.DiagnosticWithLocation[] }).parseDiagnostics ?? [];
    return firstPerLine(
      file,
      parsed.filter((one) => one.category === ts.DiagnosticCategory.Error),
    ).map((one) => report("syntax", spanOfDiagnostic(file, one), { text: text(one) }));
  }
  const all = checked(state, file);
  // Where control never comes nothing is known of any value.
  const dead = all.filter((one) => one.code === UNREACHABLE).map((one) => spanOfDiagnostic(file, one));
  const found = all.filter(
    ({ code, start = 0 }) => code === UNREACHABLE || !dead.some((one) => one.start <= start && start < one.end),
  );
  const starts = lineStarts(file.source.text);
  const taken = new Set<number>();
  for (const one of state.diagnostics)
    if (one.span?.file === file.index && one.severity === "error") taken.add(lineOf(starts, one.span.start));
  return firstPerLine(file, found)
    .filter((one) => !taken.has(lineOf(starts, one.start ?? 0)))
    .filter((one) => !isFollowUp(state, file, one))
    .flatMap((one) => {
      if (UNUSED.has(one.code)) return unused(file, one);
      const span = spanOfDiagnostic(file, one);
      const endless = one.code === UNREACHABLE ? endlessBefore(file, span) : undefined;
      if (endless) return [report("unbounded-loop", spanOf(file, endless), undefined)];
      const { message, help, mend } = reworded({ ...wordsOf(state), ...placed(file, span) }, one, text(one));
      return [
        report("type-error", span, {
          code: one.code,
          message,
          ...(help === undefined ? {} : { help }),
          ...(mend === undefined ? {} : mended(state, file, span, mend)),
        }),
      ];
    });
}

/** TypeScript follows at most some thousand branches of one function (TS2563), or runs out of stack before. */
const TOO_MANY_BRANCHES = 2563;

/**
 * The checker's errors. Where it gives up there is a warning instead: lowering has types of its own, and what only the checker sees
 * (a missing test for undefined) the verifier finds in the emitted code.
 */
function checked(state: ModuleState, file: ParsedFile): ts.Diagnostic[] {
  try {
    const program = state.project.program();
    const all = [...program.getSyntacticDiagnostics(file.tree), ...program.getSemanticDiagnostics(file.tree)];
    for (const one of all)
      if (one.code === TOO_MANY_BRANCHES) say(state, "too-many-branches", spanOfDiagnostic(file, one), undefined);
    return all.filter((one) => one.category === ts.DiagnosticCategory.Error && one.code !== TOO_MANY_BRANCHES);
  } catch (error) {
    const start = { file: file.index, start: 0, end: 1 };
    if (error instanceof RangeError) say(state, "too-many-branches", start, undefined);
    // A text that its author would call no program either; what lowering found in it says why.
    else if (!isCheckerFailure(error)) throw error;
    else if (state.diagnostics.every((one) => one.severity !== "error"))
      say(state, "checker-failed", start, { text: error.message });
    return [];
  }
}

/** "Unreachable code detected". */
const UNREACHABLE = 7027;
/** The loop that is the reason why a statement is never reached: `while (true)` without an end. */
function endlessBefore(file: ParsedFile, { start, end }: Span): ts.Statement | undefined {
  const node = nodeAt(file, start, end);
  const statement = ts.findAncestor(node, (one) => ts.isStatement(one) && ts.isBlock(one.parent));
  if (!statement || !ts.isBlock(statement.parent)) return undefined;
  const { statements } = statement.parent;
  const before = statements[statements.indexOf(statement as ts.Statement) - 1];
  return before && ts.isIterationStatement(before, false) && !leaves(before.statement) ? before : undefined;
}
function leaves(node: ts.Node): boolean {
  if (ts.isReturnStatement(node) || ts.isThrowStatement(node)) return true;
  return ts.forEachChild(node, (child) => leaves(child) || undefined) ?? false;
}

const wordsOf = ({ exportsOf, eventsOf }: ModuleState): Pick<ModuleState, "exportsOf" | "eventsOf"> => ({
  exportsOf,
  eventsOf,
});
/** The expression that an error marks, where its words need it. */
function placed(file: ParsedFile, { start, end }: Span): Pick<About, "test" | "get"> {
  const node = expressionAt(file, start, end);
  const isEntry = node && ts.isPropertyAccessExpression(node.parent) && node.parent.expression === node;
  const get = node && !isEntry && getCall(file, node) ? node.getText(file.tree).slice(0, 60) : undefined;
  return node ? { test: testText(file, node), ...(get === undefined ? {} : { get }) } : {};
}

/** A name that nobody uses is a warning: a line that was commented out for a moment must not break the build. */
function unused(file: ParsedFile, one: ts.Diagnostic): Diagnostic[] {
  const span = spanOfDiagnostic(file, one);
  let node: ts.Node = file.tree;
  for (let inner: ts.Node | undefined = node; inner;) {
    node = inner;
    inner = ts.forEachChild(node, (child) =>
      child.getStart(file.tree) <= span.start && child.end >= span.end ? child : undefined,
    );
  }
  const parameter = ts.findAncestor(node, ts.isParameter);
  const name = /^'(.+)' is declared/.exec(text(one))?.[1];
  if (parameter) {
    // A handler's parameters are what the event has; only those of helpers are somebody's choice.
    const { parent } = parameter;
    if (ts.isFunctionDeclaration(parent) || ts.isVariableDeclaration(parent.parent))
      return [report("unused-parameter", span, { name: name ?? "this" })];
    return [];
  }
  const imported = ts.findAncestor(node, ts.isImportDeclaration) !== undefined;
  return [report("unused", span, { name: name ?? (imported ? "none of these imports" : "none of these"), imported })];
}

/** What the remedy is about, and the change itself where the tree is needed for it. */
function mended(
  state: ModuleState,
  file: ParsedFile,
  span: Span,
  mend: NonNullable<Words["mend"]>,
): { readonly place?: Span; readonly fix?: Fix | undefined } {
  if (mend.what === "word") return { place: span };
  if (mend.what === "import") {
    const home = state.exportsOf(mend.name);
    return home ? { fix: importFix(file, mend.name, home) } : {};
  }
  const value = mend.what === "test" ? expressionAt(file, span.start, span.end) : valueOf(file, span.start, span.end);
  if (!value) return {};
  return mend.what === "value" ? { place: spanOf(file, value) } : { fix: testFor(file, value) };
}

const text = (one: ts.Diagnostic): string => {
  if (typeof one.messageText === "string") return one.messageText;
  // The innermost sentence says what does not fit; the outer ones say where.
  return one.messageText.messageText;
};

function spanOfDiagnostic(file: ParsedFile, one: ts.Diagnostic): { file: number; start: number; end: number } {
  const start = Math.min(one.start ?? 0, file.source.text.length);
  return {
    file: file.index,
    start,
    end: Math.min(start + Math.max(one.length ?? 1, 1), Math.max(file.source.text.length, start + 1)),
  };
}

/** "… is never used": one says nothing about the next, so all of a line are shown. */
const UNUSED: ReadonlySet<number> = new Set([6133, 6192, 6196, 6198]);

/** One error often causes others on its line; the first is the one to mend. */
function firstPerLine<T extends ts.Diagnostic>(file: ParsedFile, list: readonly T[]): T[] {
  const starts = lineStarts(file.source.text);
  const lines = new Set<number>();
  return [...list]
    .sort((a, b) => (a.start ?? 0) - (b.start ?? 0))
    .filter((one) => {
      const line = lineOf(starts, one.start ?? 0);
      if (lines.has(line)) return false;
      if (!UNUSED.has(one.code)) lines.add(line);
      return true;
    });
}
