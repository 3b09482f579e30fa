/** What is known of an open program, brought up to the text of this moment. */
import { limits } from "../../compiler/diagnostics/limits.ts";
import { proof } from "../../compiler/diagnostics/proof.ts";
import type { Diagnostic } from "../../compiler/diagnostics.ts";
import type { SourceFile, Span } from "../../compiler/span.ts";
import type { Quick, Whole } from "./requests.ts";
import { moved } from "./text-lines.ts";

export interface Known {
  quick?: Quick;
  whole?: Whole;
}

/** What only the slower stages report. */
const isLate = (one: Diagnostic): boolean => Object.hasOwn(limits, one.key) || Object.hasOwn(proof, one.key);

/** Where a span of one compilation lies in the sources of a later one; undefined where it was edited. */
export function movedSpan(span: Span, before: readonly SourceFile[], after: readonly SourceFile[]): Span | undefined {
  const source = before[span.file];
  const file = after.findIndex((one) => one.path === source?.path);
  const there = source && file >= 0 ? moved(span, source.text, after[file]!.text) : undefined;
  return there && { ...there, file };
}

/**
 * The errors of the language as they are now; what only the slower stages know as they last said it, where the text still is
 * the same. As in `tsbpf check`, errors of the language hide the others.
 */
export function current({ quick: now, whole: all }: Known): readonly Diagnostic[] {
  if (!now) return all?.diagnostics ?? [];
  if (!all || now.diagnostics.some((one) => one.severity === "error")) return now.diagnostics;
  const late = all.diagnostics.filter(isLate).flatMap((one) => {
    const at = (span: Span): Span | undefined => movedSpan(span, all.sources, now.sources);
    const span = one.span && at(one.span);
    if (!span) return [];
    const { fix: _, notes: __, ...rest } = one;
    const edits = one.fix?.edits.flatMap((edit) => at(edit.at) ?? []);
    const fix =
      one.fix && edits?.length === one.fix.edits.length
        ? { fix: { ...one.fix, edits: one.fix.edits.map((edit, index) => ({ ...edit, at: edits[index]! })) } }
        : {};
    const notes = one.notes?.flatMap((note) => {
      const { span: where, ...text } = note;
      const there = where && at(where);
      return where && !there ? [] : [{ ...text, ...(there ? { span: there } : {}) }];
    });
    // The calls and loops that it came through are of the text that was.
    const { via: ___, ...plain } = span;
    const unmoved = all.sources.every((source, index) => source.text === now.sources[index]?.text);
    return [{ ...rest, span: unmoved ? span : plain, ...(notes ? { notes } : {}), ...fix }];
  });
  return [...now.diagnostics, ...late];
}
