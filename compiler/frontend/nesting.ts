/** What a source does too often, one inside of the other, for a compiler that recurses: found in its text, without recursion. */
import { ts } from "ts-morph";

export interface Nesting {
  readonly what: string;
  readonly instead: string;
  /** Where the deepest part is. */
  readonly at: number;
  readonly depth: number;
}

const K = ts.SyntaxKind;
const OPEN: ReadonlySet<ts.SyntaxKind> = new Set([
  K.OpenParenToken,
  K.OpenBracketToken,
  K.OpenBraceToken,
  K.TemplateHead,
]);
const CLOSE: ReadonlySet<ts.SyntaxKind> = new Set([K.CloseParenToken, K.CloseBracketToken, K.CloseBraceToken]);
const PREFIX: ReadonlySet<ts.SyntaxKind> = new Set([K.ExclamationToken, K.MinusToken, K.PlusToken, K.TildeToken]);

/** The most frequent cause of a text that nests too deep. */
export function deepestNesting(text: string): Nesting {
  const scanner = ts.createScanner(ts.ScriptTarget.ES2022, true, ts.LanguageVariant.Standard, text);
  let brackets = { depth: 0, at: 0 };
  let questions = { depth: 0, at: 0 };
  let prefixes = { depth: 0, at: 0 };
  let depth = 0;
  let asked = 0;
  let signs = 0;
  for (let token = scanner.scan(); token !== K.EndOfFileToken; token = scanner.scan()) {
    const at = scanner.getTokenStart();
    if (OPEN.has(token) && ++depth > brackets.depth) brackets = { depth, at };
    if (CLOSE.has(token)) depth = Math.max(0, depth - 1);
    if (token === K.SemicolonToken) asked = 0;
    if (token === K.QuestionToken && ++asked > questions.depth) questions = { depth: asked, at };
    signs = PREFIX.has(token) ? signs + 1 : 0;
    if (signs > prefixes.depth) prefixes = { depth: signs, at };
  }
  const deepest = Math.max(brackets.depth, questions.depth, prefixes.depth);
  if (deepest < 64)
    return { what: "the source nests", instead: "split long expressions and statements", at: 0, depth: 0 };
  if (deepest === brackets.depth)
    return { ...brackets, what: "brackets nest", instead: "give the inner parts names: const part = …" };
  if (deepest === questions.depth)
    return {
      ...questions,
      what: "… ? … : … nest",
      instead: "write if (…) { … } else if (…) { … }, a switch, or keep the values in an ArrayMap",
    };
  return { ...prefixes, what: "operators before a value nest", instead: "two of them change nothing: leave them out" };
}
