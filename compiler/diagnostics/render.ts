/** How diagnostics are drawn for people, and their form for programs. */
import type { Diagnostic, Note } from "../diagnostics.ts";
import { printable } from "../printable.ts";
import { lineText, type SourceFile, type Span } from "../span.ts";

export interface RenderOptions {
  /** ANSI colours. */
  readonly colour: boolean;
}

const CODES = { error: 31, warning: 33, bold: 1, blue: 34, help: 32 } as const;
const TAB = 8;

/** All diagnostics, with a blank line between two. */
export function renderDiagnostics(
  diagnostics: readonly Diagnostic[],
  sources: readonly SourceFile[],
  options: RenderOptions,
): string {
  return diagnostics.map((one) => renderDiagnostic(one, sources, options)).join("\n\n");
}

/**
 * One diagnostic:
 *
 *     error[unbounded-loop]: cannot prove that this loop ends
 *       programs/count.ts:12:3
 *        12 │   for (let i = 0; i < conn.sndCwnd; i++) total += i;
 *           │                   ^^^^^^^^^^^^^^^^
 *       help: give it a constant bound: for (const i of range(conn.sndCwnd, 16))
 */
export function renderDiagnostic(one: Diagnostic, sources: readonly SourceFile[], options: RenderOptions): string {
  const paint = (code: keyof typeof CODES, text: string): string =>
    options.colour ? `\x1b[${CODES[code]}m${text}\x1b[0m` : text;
  const lines = [
    `${paint(one.severity, `${one.severity}[${one.key}]`)}${paint("bold", `: ${printable(one.message)}`)}`,
  ];
  if (one.span) lines.push(...excerpt(one.span, sources, paint, one.severity), ...expansions(one.span, sources));
  for (const note of one.notes ?? []) lines.push(...renderNote(note, sources, paint));
  if (one.help !== undefined) lines.push(`  ${paint("help", "help")}: ${printable(one.help)}`);
  return lines.join("\n");
}

type Paint = (code: keyof typeof CODES, text: string) => string;

function renderNote(note: Note, sources: readonly SourceFile[], paint: Paint): string[] {
  return [
    `  ${paint("blue", "note")}: ${printable(note.text)}`,
    ...(note.span ? excerpt(note.span, sources, paint, "blue") : []),
  ];
}

/** Where the span is, and its first line with the part underlined. */
function excerpt(span: Span, sources: readonly SourceFile[], paint: Paint, code: keyof typeof CODES): string[] {
  const source = sources[span.file];
  if (!source) return [];
  const { line, column } = place(source.text, span.start);
  const text = lineText(source.text, line);
  const number = String(line);
  const gutter = " ".repeat(Math.max(4, number.length + 3));
  const from = column - 1;
  const to = Math.max(from + 1, Math.min(text.length, from + span.end - span.start));
  const { shown, start, end } = window(text, from, to);
  return [
    `  ${paint("blue", `${printable(source.path)}:${line}:${column}`)}`,
    `${paint("blue", `${number.padStart(gutter.length)} │`)} ${shown}`,
    `${paint("blue", `${gutter} │`)} ${" ".repeat(width(shown.slice(0, start)))}${paint(code, "^".repeat(Math.max(1, width(shown.slice(start, end)))))}`,
  ];
}

/** Long lines (generated code) are shown around the span only. Tabs become spaces, so that the marks stand below their text. */
function window(text: string, from: number, to: number): { shown: string; start: number; end: number } {
  const LIMIT = 160;
  const cut = text.length > LIMIT ? Math.max(0, from - 40) : 0;
  const before = expand((cut > 0 ? "…" : "") + text.slice(cut, from));
  const marked = expand(text.slice(from, Math.min(to, from + 100)));
  const rest = text.slice(Math.min(to, from + 100), cut + LIMIT);
  const after = expand(rest) + (text.length > LIMIT && cut + LIMIT < text.length ? "…" : "");
  return { shown: `${before}${marked}${after}`.trimEnd(), start: before.length, end: before.length + marked.length };
}
const expand = (text: string): string => printable(text.replaceAll("\t", " ".repeat(TAB)));
/** Columns on a terminal: wide characters take two. */
const width = (text: string): number => {
  let columns = 0;
  for (const character of text)
    columns +=
      /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|[\u{1f300}-\u{1faff}]/u.test(
        character,
      )
        ? 2
        : 1;
  return columns;
};

/** Through which calls and loops the code came here. */
function expansions(span: Span, sources: readonly SourceFile[]): string[] {
  const lines: string[] = [];
  for (let via = span.via; via && lines.length < 8; via = via.at.via) {
    const source = sources[via.at.file];
    if (!source) break;
    const { line, column } = place(source.text, via.at.start);
    const what = via.kind === "call" ? `called as ${printable(String(via.what))}()` : `in turn ${via.what} of the loop`;
    lines.push(`  ${what} at ${printable(source.path)}:${line}:${column}`);
  }
  return lines;
}

function place(text: string, offset: number): { line: number; column: number } {
  const at = Math.min(offset, text.length);
  let line = 1;
  let start = 0;
  for (let next = text.indexOf("\n"); next >= 0 && next < at; next = text.indexOf("\n", next + 1)) {
    line++;
    start = next + 1;
  }
  return { line, column: at - start + 1 };
}

/** One place in a file, 1-based; `endLine` and `endColumn` are just behind it. */
export interface JsonPlace {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly endLine: number;
  readonly endColumn: number;
}
export interface JsonDiagnostic extends Partial<JsonPlace> {
  readonly key: string;
  readonly severity: string;
  readonly message: string;
  readonly help?: string;
  /** A change that mends it: every edit puts a text in the place of what is there. */
  readonly fix?: { readonly title: string; readonly edits: readonly (JsonPlace & { readonly text: string })[] };
  readonly notes?: readonly (Partial<JsonPlace> & { readonly text: string })[];
  /** Calls and loops through which the code was expanded, innermost first. */
  readonly via?: readonly (JsonPlace & { readonly kind: string; readonly what: string | number })[];
}

/** The form of `--json`, one object per diagnostic. */
export function diagnosticsToJson(
  diagnostics: readonly Diagnostic[],
  sources: readonly SourceFile[],
): JsonDiagnostic[] {
  return diagnostics.map((one) => {
    const via: (JsonPlace & { kind: string; what: string | number })[] = [];
    for (let step = one.span?.via; step; step = step.at.via) {
      const where = jsonPlace(step.at, sources);
      if (where) via.push({ kind: step.kind, what: step.what, ...where });
    }
    return {
      key: one.key,
      severity: one.severity,
      message: one.message,
      ...(one.help === undefined ? {} : { help: one.help }),
      ...(one.span ? jsonPlace(one.span, sources) : {}),
      ...(one.notes
        ? { notes: one.notes.map((note) => ({ text: note.text, ...(note.span ? jsonPlace(note.span, sources) : {}) })) }
        : {}),
      ...(via.length > 0 ? { via } : {}),
      ...(one.fix
        ? {
            fix: {
              title: one.fix.title,
              edits: one.fix.edits.map(({ at, text }) => ({ ...jsonPlace(at, sources)!, text })),
            },
          }
        : {}),
    };
  });
}

function jsonPlace(span: Span, sources: readonly SourceFile[]): JsonPlace | undefined {
  const source = sources[span.file];
  if (!source) return undefined;
  const from = place(source.text, span.start);
  const to = place(source.text, Math.max(span.end, span.start));
  return { file: source.path, line: from.line, column: from.column, endLine: to.line, endColumn: to.column };
}
