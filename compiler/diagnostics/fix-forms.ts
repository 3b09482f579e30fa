/** The shapes of text that fixes look for around a diagnostic. Each gives undefined where the text is another than it expects. */
import { importing, insert, wrap, write, type Fix, type Marked } from "./fix.ts";
import { nearestFirst } from "./nearest.ts";

const lineStart = (text: string, offset: number): number => text.lastIndexOf("\n", offset - 1) + 1;

/** The blanks that the line begins with. */
export const indentOf = ({ text, span }: Marked): string => /^[ \t]*/.exec(text.slice(lineStart(text, span.start)))![0];

/** `const name` with something before it; the span is the name. */
export function beforeConst(at: Marked, put: string): Fix | undefined {
  const start = lineStart(at.text, at.span.start);
  return /^const\s+$/.test(at.text.slice(start, at.span.start))
    ? insert(at, put, `write ${put}const ${at.source}`, start)
    : undefined;
}

/** `export default pathManager(…)` with a name. */
export function namedExport(at: Marked): Fix | undefined {
  const found = /^export\s+default\s+(?=\w+\s*\()/.exec(at.source);
  if (!found || /^export\s+default\s+(async\s+)?function\b/.test(at.source)) return undefined;
  const { file, start } = at.span;
  const put = "export const program = ";
  return { title: `write ${put}…`, edits: [{ at: { file, start, end: start + found[0].length }, text: put }] };
}

/** `let` where `var` stands before the span. */
export function letInstead(at: Marked): Fix | undefined {
  const found = /\bvar\s+$/.exec(at.text.slice(0, at.span.start));
  if (!found) return undefined;
  const edit = { at: { file: at.span.file, start: found.index, end: found.index + 3 }, text: "let" };
  return { title: "write let", edits: [edit] };
}

/** `x as u8` as `u8(x)`; `cast` is the call with … for the value. */
export function converted(cast: string | undefined, at: Marked): Fix | undefined {
  const name = cast && /^(\w+)\(\u2026\)$/.exec(cast)?.[1];
  const value = /^([\s\S]+)\s+as\s+\w+$/.exec(at.source)?.[1];
  if (!name || !value || /\sas\s/.test(value)) return undefined;
  const edits = wrap({ ...at, source: value }, name).edits;
  return { title: `write ${name}(…)`, edits };
}

/** A variable's declaration with the signed type of the same width; the span is its name, with the type that it has. */
export function signed(at: Marked, type: string): Fix {
  const other = type === "u64" ? "i64" : "i32";
  const name = /^\w+/.exec(at.source)![0];
  return importing(at, other, write(at, `${name}: ${other}`));
}

const TURNS = 16;
/** A maximum behind the bound of a range, unless there is one that is no constant. */
export function maximum(at: Marked): Fix | undefined {
  const before = /range\(\s*$/.test(at.text.slice(0, at.span.start));
  const alone = /^\s*\)/.test(at.text.slice(at.span.end));
  if (!before)
    return /range\([^()]*,\s*$/.test(at.text.slice(0, at.span.start)) && alone ? write(at, String(TURNS)) : undefined;
  return alone ? write(at, `${at.source}, ${TURNS}`, `at most ${TURNS} turns`) : undefined;
}

/** ``log(`text`)`` and `log("text")` as ``log`text` ``. */
export function tagged(at: Marked): Fix | undefined {
  const found = /^((?:\w+\.)?log)\s*\(\s*(?:(`[\s\S]*`)|"([^"\\`]*)")\s*\)$/.exec(at.source);
  const text = found && (found[2] ?? `\`${found[3]!.replaceAll("${", "\\${")}\``);
  return found ? write(at, `${found[1]!}${text!}`, "write log`…` without parentheses") : undefined;
}

/** `x ?? y` for `x || y`; the span is the left side. */
export function orElse(at: Marked): Fix | undefined {
  const found = /^\s*\|\|/.exec(at.text.slice(at.span.end));
  if (!found) return undefined;
  const end = at.span.end + found[0].length;
  return {
    title: "replace what is missing alone: ??",
    edits: [{ at: { file: at.span.file, start: end - 2, end }, text: "??" }],
  };
}

/** `x()` as `x`: the span is what is called, or the call. */
export function withoutCall(at: Marked): Fix | undefined {
  const title = "leave out the parentheses";
  if (at.source.endsWith("()")) return write(at, at.source.slice(0, -2), title);
  const empty = /^\s*\(\s*\)/.exec(at.text.slice(at.span.end));
  if (!empty) return undefined;
  const { file, end } = at.span;
  return { title, edits: [{ at: { file, start: end, end: end + empty[0].length }, text: "" }] };
}

/** Another method: the span is the call of the one that is wrong. */
export function renamed(at: Marked, from: string, to: string): Fix | undefined {
  const found = new RegExp(`\\.${from}(?=\\s*\\()`).exec(at.source);
  if (!found) return undefined;
  const start = at.span.start + found.index + 1;
  const edit = { at: { file: at.span.file, start, end: start + from.length }, text: to };
  return { title: `write ${to}`, edits: [edit] };
}

/** The known name that is nearest, where the first letters say that it was meant. */
export function nearest(name: string, known: readonly string[], at: Marked): Fix | undefined {
  const best = nearestFirst(name, known)[0]?.replace(/\(\)$/, "");
  return at.source === name && best && best.slice(0, 3).toLowerCase() === name.slice(0, 3).toLowerCase()
    ? write(at, best)
    : undefined;
}
