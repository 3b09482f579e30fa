/** The kernel's list of sessions beside ours: what ended, what began and what changed without a word. */
import type { Session, SessionTable } from "./sessions.ts";
import type { DiagSession, DiagSubflow, SockDiag } from "./sock-diag.ts";

export interface Found {
  readonly session: DiagSession;
  readonly subflows: readonly DiagSubflow[];
}
export interface Survey {
  readonly ended: Map<number, Session>;
  readonly unknown: Map<number, Found>;
  /** Known sessions and their subflows, when those were asked for. */
  readonly known: Map<number, Found["subflows"]>;
}

/**
 * Asks once for all. `others` are sessions that are not ours to manage; those that are over are taken out of it.
 * `subflowsToo`: events may have been lost. At most `most` unknown sessions are given.
 */
export function surveySessions(
  diag: SockDiag,
  table: Pick<SessionTable, "sessions">,
  others: Set<number>,
  { subflowsToo, most }: { readonly subflowsToo: boolean; readonly most: number },
): Survey {
  const listed = new Set<number>();
  const open = new Map<number, DiagSession>();
  diag.sessions((session) => {
    const { token } = session;
    if (table.sessions.has(token) || others.has(token)) listed.add(token);
    else if (session.open && open.size < most) open.set(token, session);
  });
  for (const token of others) if (!listed.has(token)) others.delete(token);
  // A list that others change meanwhile may lack one: each end is confirmed.
  const ended = new Map([...table.sessions].filter(([token]) => !listed.has(token) && !diag.has(token)));

  const subflows = new Map<number, DiagSubflow[]>();
  if (open.size > 0 || subflowsToo)
    diag.subflows((one) => {
      if (!open.has(one.token) && !(subflowsToo && listed.has(one.token) && !others.has(one.token))) return;
      const before = subflows.get(one.token);
      if (before) before.push(one);
      else subflows.set(one.token, [one]);
    });
  return {
    ended,
    unknown: new Map([...open].map(([token, session]) => [token, { session, subflows: subflows.get(token) ?? [] }])),
    known: new Map(
      subflowsToo
        ? [...table.sessions.keys()]
            .filter((token) => listed.has(token))
            .map((token) => [token, subflows.get(token) ?? []])
        : [],
    ),
  };
}
