/** What took the room: the loop, call or variable responsible when a program breaks a limit. */
import { report, type Diagnostic, type Note } from "../diagnostics.ts";
import type { Span } from "../span.ts";
import type { MachineFunc, Reg } from "./insn.ts";

/** The loop or call that most instructions were expanded from, innermost where several are equal. */
export function blameInstructions(spans: readonly Span[]): { span: Span; text: string } | undefined {
  const counts = new Map<
    string,
    { span: Span; kind: string; what: string | number; count: number; turns: Set<number | string>; depth: number }
  >();
  for (const span of spans) {
    let depth = 0;
    const seen = new Set<string>();
    for (let via = span.via; via; via = via.at.via) {
      depth--;
      const key = `${via.kind} ${via.at.file}:${via.at.start}-${via.at.end}`;
      if (seen.has(key)) continue;
      seen.add(key);
      const { via: _outer, ...place } = via.at;
      const found = counts.get(key) ?? {
        span: place,
        kind: via.kind,
        what: via.what,
        count: 0,
        turns: new Set(),
        depth,
      };
      found.count++;
      found.turns.add(via.what);
      counts.set(key, found);
    }
  }
  const largest = [...counts.values()].sort((a, b) => b.count - a.count || b.depth - a.depth)[0];
  if (!largest || largest.count * 2 < spans.length) return undefined;
  const text =
    largest.kind === "loop"
      ? `this loop unrolls to ${largest.count} of them in ${largest.turns.size} turns`
      : `the code of ${largest.what}, put in here, takes ${largest.count} of them`;
  return { span: largest.span, text };
}

/** The error for a stack of `bytes`: of the functions on the deepest chain of calls, the program first. */
export function stackTooLarge(
  chain: readonly MachineFunc<Reg>[],
  span: Span,
  bytes: number,
  limit: number,
): Diagnostic {
  const frames = chain.flatMap(({ frame }) => frame);
  const variables = frames.filter((variable) => variable.kind === "variable").sort((a, b) => b.size - a.size);
  const [largest] = variables;
  const notes: Note[] = variables.slice(0, 4).map((variable) => ({
    ...(variable.span ? { span: variable.span } : {}),
    text: `${variable.name ?? "a temporary"} takes ${variable.size} bytes`,
  }));
  const spilled = frames.length - variables.length;
  if (spilled > 0) notes.push({ text: `${spilled} values that found no register take 8 bytes each` });
  return report(
    "stack-too-large",
    largest?.span ?? span,
    {
      program: chain[0]!.name,
      bytes,
      limit,
      largest: largest ? `${largest.name ?? "a temporary"} takes ${largest.size}` : undefined,
    },
    notes,
  );
}
