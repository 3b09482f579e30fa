/** Remembering through which calls and loops code was expanded, in the spans. */
import type { Expansion, Span } from "../span.ts";

const depthOf = (span: Span): number => {
  let depth = 0;
  for (let via = span.via; via; via = via.at.via) depth++;
  return depth;
};

/**
 * A function that marks spans as expanded once more: through the call or loop at `at`, which may itself be expanded code.
 * Expansions that a span already has stay innermost, except those that it shares with `at`.
 */
export function expander(
  kind: Expansion["kind"],
  at: Span,
  what: string | number,
  shared: number,
): (span: Span) => Span {
  const outer: Expansion = { kind, at, what };
  const known = new Map<Expansion | undefined, Expansion>();
  const extend = (via: Expansion | undefined, levels: number): Expansion => {
    if (!via || levels === 0) return outer;
    const found = known.get(via);
    if (found) return found;
    const made: Expansion = { ...via, at: { ...via.at, via: extend(via.at.via, levels - 1) } };
    known.set(via, made);
    return made;
  };
  return (span) => ({ ...span, via: extend(span.via, depthOf(span) - shared) });
}

/** For code copied into the place of a call. */
export const throughCall = (call: Span, name: string): ((span: Span) => Span) => expander("call", call, name, 0);

/** For code copied in one turn of a loop: what encloses the loop already encloses the code. */
export const throughLoop = (loop: Span, turn: number): ((span: Span) => Span) =>
  expander("loop", loop, turn, depthOf(loop));
