/** What the compiler can say: a catalogue of stable keys, and the one shape that a report has. */
import { declarations } from "./diagnostics/declarations.ts";
import { language } from "./diagnostics/language.ts";
import type { Fix } from "./diagnostics/fix.ts";
import { limits } from "./diagnostics/limits.ts";
import { metrics } from "./diagnostics/metrics.ts";
import { proof } from "./diagnostics/proof.ts";
import type { Row, Severity } from "./diagnostics/row.ts";
import { structOps } from "./diagnostics/struct-ops.ts";
import { types } from "./diagnostics/types.ts";
import type { Span } from "./span.ts";

export { withFixes } from "./diagnostics/fixes.ts";
export { importOf, type Edit, type Fix } from "./diagnostics/fix.ts";

export const catalogue = { ...language, ...types, ...declarations, ...metrics, ...limits, ...proof, ...structOps };
export type Key = keyof typeof catalogue;
/** The facts that a key's words need. */
export type FactsOf<K extends Key> = (typeof catalogue)[K] extends Row<infer P> ? P : never;

export interface Diagnostic {
  readonly key: Key;
  readonly severity: Severity;
  readonly message: string;
  readonly help?: string;
  /** Absent only where there is no source (an empty list of files, say). */
  readonly span?: Span;
  /** Further places, each with what it has to do with the problem. */
  readonly notes?: readonly Note[];
  /** What the words were made of; the key says of which shape they are. */
  readonly facts?: unknown;
  /** A change of the text that mends it. `compile()` gives it where one is known. */
  readonly fix?: Fix;
}
export interface Note {
  readonly span?: Span;
  readonly text: string;
}

/** Makes a diagnostic from its row: `report("unbounded-loop", span, {…})`. */
export function report<K extends Key>(
  key: K,
  span: Span | undefined,
  facts: FactsOf<K>,
  notes: readonly Note[] = [],
): Diagnostic {
  const found = catalogue[key] as unknown as Row<FactsOf<K>>;
  const help = found.help?.(facts);
  return {
    key,
    severity: found.severity,
    message: found.message(facts),
    ...(help === undefined ? {} : { help }),
    ...(span === undefined ? {} : { span }),
    ...(notes.length === 0 ? {} : { notes }),
    ...(facts === undefined ? {} : { facts }),
  };
}
