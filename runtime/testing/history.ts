/** What happened in a test: events and what each made the program do, for the words of a failure. */

export interface HistoryEntry {
  readonly program: string;
  /** "parse 42 04 00 1e from 10.1.2.3" */
  readonly title: string;
  /** "initial-window.ts:35 setsockopt TCP_BPF_IW = 30 → 0" */
  readonly effects: string[];
}
export interface History {
  readonly entries: readonly HistoryEntry[];
  /** Starts an event; its number counts from 1. */
  begin(program: string, title: string): HistoryEntry;
  /** Takes the last entry back, if it is this one. */
  dropLast(entry: HistoryEntry): void;
  /** The last events as text. */
  tell(last?: number): string;
}

export function createHistory(): History {
  const entries: HistoryEntry[] = [];
  return {
    entries,
    begin(program, title) {
      const entry: HistoryEntry = { program, title, effects: [] };
      entries.push(entry);
      return entry;
    },
    dropLast(entry) {
      if (entries.at(-1) === entry) entries.pop();
    },
    tell(last = 10) {
      const from = Math.max(0, entries.length - last);
      const lines = entries.slice(from).flatMap((entry, index) => {
        const head = `  ${from + index + 1}. ${entry.program}: ${entry.title}`;
        return [head, ...entry.effects.map((effect) => `       ${effect}`)];
      });
      return [...(from > 0 ? [`  (${from} earlier events)`] : []), ...lines].join("\n");
    },
  };
}

/** "42 04 00 1e" */
export const bytesText = (bytes: Uint8Array): string =>
  [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
