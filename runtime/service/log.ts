/** What a service says: one shape for all of it, as a line for people, for the journal, or as JSON. */
import { fstatSync } from "node:fs";

/** Severities, and their numbers in syslog(3), which the journal reads at the beginning of a line. */
export const LEVELS = { error: 3, warning: 4, notice: 5, info: 6, debug: 7 } as const;
export type Level = keyof typeof LEVELS;

export interface Entry {
  readonly level: Level;
  readonly text: string;
  /** The program of the service that it is about. */
  readonly program?: string;
  /** The connection that it is about: the token of an MPTCP session, in hexadecimal. */
  readonly connection?: string;
}

/** Whether standard error goes to the journal (systemd.exec(5), JOURNAL_STREAM). */
export function isJournal(stream: string | undefined, fd = 2): boolean {
  const [device, inode] = stream?.split(":") ?? [];
  if (device === undefined || inode === undefined) return false;
  try {
    const found = fstatSync(fd, { bigint: true });
    return String(found.dev) === device && String(found.ino) === inode;
  } catch {
    return false;
  }
}

const whole = ({ program, connection, text }: Entry): string =>
  [...(program === undefined ? [] : [program]), ...(connection === undefined ? [] : [connection]), text].join(": ");

/** Each line has its level before it: the journal takes every line for an entry. */
export const journalText = (entry: Entry): string =>
  whole(entry)
    .split("\n")
    .map((line) => `<${LEVELS[entry.level]}>${line}`)
    .join("\n");

/** For people: what is as it should be needs no word for its level. */
export const plainText = (entry: Entry): string =>
  LEVELS[entry.level] <= LEVELS.warning ? `${entry.level}: ${whole(entry)}` : whole(entry);

/** The shape of `--json`: time, level, program, connection, text. */
export const jsonEntry = ({ level, program, connection, text }: Entry, now = new Date()): object => ({
  time: now.toISOString(),
  level,
  ...(program === undefined ? {} : { program }),
  ...(connection === undefined ? {} : { connection }),
  text,
});
