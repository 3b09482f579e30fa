export type Severity = "error" | "warning";

/** One row of the catalogue. `P` are the facts that the words need. */
export interface Row<P> {
  readonly severity: Severity;
  /** One line: what is wrong. */
  readonly message: (facts: P) => string;
  /** What to write instead, where there is one thing to do. */
  readonly help?: (facts: P) => string | undefined;
}

/** Keeps the facts' type of each row. */
export const row = <P = undefined>(
  severity: Severity,
  message: (facts: P) => string,
  help?: (facts: P) => string | undefined,
): Row<P> => ({ severity, message, ...(help ? { help } : {}) });
