/** Our diagnostics as the protocol's, and their fixes as its code actions. */
import { pathToFileURL } from "node:url";
import {
  CodeActionKind,
  DiagnosticSeverity,
  DiagnosticTag,
  type CodeAction,
  type Diagnostic as Shown,
  type DiagnosticRelatedInformation,
  type TextEdit,
} from "vscode-languageserver";
import type { Diagnostic, Key } from "../../compiler/diagnostics.ts";
import type { SourceFile, Span } from "../../compiler/span.ts";
import { rangeOf, textLines, type TextLines } from "./text-lines.ts";

/** What an editor's own TypeScript server says already. */
const TYPESCRIPTS: ReadonlySet<Key> = new Set(["syntax", "type-error", "unused", "unused-parameter"]);
export const isTypeScripts = (one: Diagnostic): boolean => TYPESCRIPTS.has(one.key);

export const uriOf = (path: string): string => pathToFileURL(path).href;

/** The lines of each source, made once. */
export function linesOf(sources: readonly SourceFile[]): (file: number) => TextLines | undefined {
  const made = new Map<number, TextLines>();
  return (file) => {
    const source = sources[file];
    if (!source) return undefined;
    const lines = made.get(file) ?? textLines(source.text);
    made.set(file, lines);
    return lines;
  };
}

/** One diagnostic, with the remedy below its message; notes and expansions are places that belong to it. */
export function shown(one: Diagnostic, span: Span, sources: readonly SourceFile[], lines = linesOf(sources)): Shown {
  const related: DiagnosticRelatedInformation[] = [];
  const add = (at: Span | undefined, message: string): void => {
    const text = at && lines(at.file);
    if (text) related.push({ message, location: { uri: uriOf(sources[at.file]!.path), range: rangeOf(text, at) } });
  };
  for (const note of one.notes ?? []) add(note.span, note.text);
  for (let via = span.via; via && related.length < MOST_RELATED; via = via.at.via)
    add(via.at, via.kind === "call" ? `called as ${via.what}() here` : `in turn ${via.what} of this loop`);
  const unplaced = (one.notes ?? []).flatMap((note) => (note.span ? [] : [`note: ${note.text}`]));
  return {
    range: rangeOf(lines(span.file)!, span),
    severity: one.severity === "error" ? DiagnosticSeverity.Error : DiagnosticSeverity.Warning,
    source: "tsbpf",
    code: one.key,
    message: [one.message, ...unplaced, ...(one.help === undefined ? [] : [`help: ${one.help}`])].join("\n"),
    ...(related.length > 0 ? { relatedInformation: related } : {}),
    ...(one.key.startsWith("unused") ? { tags: [DiagnosticTag.Unnecessary] } : {}),
  };
}
const MOST_RELATED = 8;

/** The fix of a diagnostic as a code action; undefined where it has none. */
export function action(
  one: Diagnostic,
  sources: readonly SourceFile[],
  lines = linesOf(sources),
): CodeAction | undefined {
  const { fix, span } = one;
  if (!fix || !span) return undefined;
  const changes: Record<string, TextEdit[]> = {};
  for (const { at, text } of fix.edits)
    (changes[uriOf(sources[at.file]!.path)] ??= []).push({ range: rangeOf(lines(at.file)!, at), newText: text });
  return {
    title: fix.title,
    kind: CodeActionKind.QuickFix,
    isPreferred: true,
    edit: { changes },
    diagnostics: [shown(one, span, sources, lines)],
  };
}
