/** A remedy as a change of the text: what an editor applies when its user asks for it. */
import type { Span } from "../span.ts";

/** Puts `text` in the place of a span; where the span is empty, it is put in there. */
export interface Edit {
  readonly at: Span;
  readonly text: string;
}
/** One way to mend a mistake. Its edits do not overlap, and no two begin at one place; they are all made or none. */
export interface Fix {
  /** What it does, as a command: "write ===". */
  readonly title: string;
  readonly edits: readonly Edit[];
}

/** The text with a fix applied to it, for the file with that index. */
export function applied(text: string, fix: Fix, file: number): string {
  const edits = fix.edits.filter((edit) => edit.at.file === file).sort((a, b) => b.at.start - a.at.start);
  return edits.reduce((now, { at, text: put }) => now.slice(0, at.start) + put + now.slice(at.end), text);
}

/** Where a diagnostic points, with the text around it. */
export interface Marked {
  readonly span: Span;
  /** The characters of the span. */
  readonly source: string;
  /** The whole file. */
  readonly text: string;
}

export const marked = (span: Span, text: string): Marked => ({ span, text, source: text.slice(span.start, span.end) });

/** The same span without the expansion that led there: an edit is of the text. */
const plain = ({ file, start, end }: Span): Span => ({ file, start, end });

/** Another text for the whole span. */
export const write = (at: Marked, text: string, title = `write ${text}`): Fix => ({
  title,
  edits: [{ at: plain(at.span), text }],
});

/** Some text before the span, or before an offset in it. */
export const insert = (at: Marked, text: string, title: string, offset = at.span.start): Fix => ({
  title,
  edits: [{ at: { file: at.span.file, start: offset, end: offset }, text }],
});

/** `x` as `name(x)`. */
export const wrap = (at: Marked, name: string): Fix => {
  const { source } = at;
  const inner = source.startsWith("(") && closes(source, 0) === source.length - 1 ? source.slice(1, -1) : source;
  return importing(at, name, write(at, `${name}(${inner})`, `wrap in ${name}(…)`));
};

/** A fix that uses a name of the language, with the import where there is none yet. */
export const importing = ({ text, span }: Pick<Marked, "text" | "span">, name: string, fix: Fix): Fix => ({
  ...fix,
  edits: [...importOf(text, span.file, name, "tsbpf"), ...fix.edits],
});

/**
 * What imports a name of the language: nothing where it is imported already, else a name more in the import that there is of its
 * module, or an import of its own.
 */
export function importOf(text: string, file: number, name: string, home: string): Edit[] {
  const put = (start: number, what: string): Edit[] => [{ at: { file, start, end: start }, text: what }];
  const found = [...text.matchAll(/^import\s*\{([^}]*)\}\s*from\s*["']([^"']+)["']/gm)].filter(
    (one) => one[2] === home,
  );
  if (found.some((one) => one[1]!.split(",").some((part) => part.trim() === name))) return [];
  for (const one of found) {
    // Imported as a type alone: what is to be used as a value loses the word.
    const typed = new RegExp(`\\btype\\s+(?=${name}\\s*(,|$))`).exec(one[1]!);
    const start = one.index + one[0].indexOf("{") + 1 + (typed?.index ?? 0);
    if (typed) return [{ at: { file, start, end: start + typed[0].length }, text: "" }];
  }
  const [first] = found;
  if (first) {
    const list = /^(.*?)\s*,?\s*$/s.exec(first[1]!)![1]!;
    const end = first.index + first[0].indexOf("{") + 1 + list.length;
    return put(end, list.trim() === "" ? ` ${name}` : `, ${name}`);
  }
  const start = /^import\b/m.exec(text)?.index ?? 0;
  return put(start, `import { ${name} } from ${JSON.stringify(home)};\n`);
}

/** `name(x)` as `x`; undefined where the span is no such call. */
export const unwrap = (at: Marked, name: string): Fix | undefined => {
  const open = new RegExp(`^(?:\\w+\\.)?${name}\\s*\\(`).exec(at.source);
  if (!open || closes(at.source, open[0].length - 1) !== at.source.length - 1) return undefined;
  const inner = at.source.slice(open[0].length, -1).trim().replace(/,$/, "");
  return write(at, /^[\w.[\]]+$/.test(inner) ? inner : `(${inner})`, `leave out ${name}()`);
};

/** Where the parenthesis at an offset closes; -1 where it does not, or where a text may hold one. */
function closes(source: string, open: number): number {
  if (/["'`]/.test(source)) return -1;
  let depth = 0;
  for (let at = open; at < source.length; at++) {
    if (source[at] === "(") depth++;
    if (source[at] === ")" && --depth === 0) return at;
  }
  return -1;
}

/**
 * What a remedy that ends in code tells to write, done to the span:
 * "…: u8(…)" wraps it, "leave out htons()" takes a call away, "compare it: … !== 0" puts something behind it, "write ===" replaces it.
 * Undefined for remedies that leave a choice.
 */
export function asTold(help: string | undefined, at: Marked): Fix | undefined {
  if (help === undefined) return undefined;
  const call = /: (?:the number: )?(\w+)\(\u2026\)$/.exec(help)?.[1];
  if (call) return wrap(at, call);
  const needless = /^leave out (\w+)\(\)/.exec(help)?.[1];
  if (needless) return unwrap(at, needless);
  const behind = /: \u2026 (\S.*)$/.exec(help)?.[1];
  if (behind) return write(at, `${/^[\w.[\]()]+$/.test(at.source) ? at.source : `(${at.source})`} ${behind}`);
  const other = /^write (\S+)(?:,| without|$)/.exec(help)?.[1];
  return other && !other.includes("…") ? write(at, other.replace(/,$/, "")) : undefined;
}
