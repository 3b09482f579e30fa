/**
 * The file system as a compilation sees it. Whatever decides what is compiled is one of these questions, so that a witness
 * who has heard all of them, with their answers, knows on what the result depends.
 */
import { createHash } from "node:crypto";
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  statSync,
  type Stats,
} from "node:fs";
import { join } from "node:path";
import { witness } from "./witness.ts";

type Kind = "file" | "folder" | "other";
const kindOf = (stat: { isFile(): boolean; isDirectory(): boolean }): Kind =>
  stat.isFile() ? "file" : stat.isDirectory() ? "folder" : "other";

/** What lies at a path, links followed: whose it is, and whether everybody may write there. */
export interface Status {
  readonly kind: Kind;
  readonly owner: number;
  readonly everybodys: boolean;
}
/** What an opened file is: the errno's name where it cannot be opened. */
type Opened = { readonly place: string; readonly kind: Kind; readonly size: number } | { readonly error: string };
/** What lies in a folder and may be a source, or lead to one. */
export interface Sources {
  readonly files: readonly string[];
  readonly folders: readonly string[];
}
const SOURCE = /(?<!\.d)\.[mc]?ts$/;

/** What can be asked of a path. The answers are values that JSON can hold. */
export const QUESTIONS = {
  exists: existsSync,
  status: (path: string): Status | null => {
    const stat = attempt(() => statSync(path));
    return stat ? { kind: kindOf(stat), owner: stat.uid, everybodys: (stat.mode & 0o002) !== 0 } : null;
  },
  realPath: (path: string): string | null => attempt(() => realpathSync(path)) ?? null,
  sources: (folder: string): Sources => {
    const found = attempt(() => readdirSync(folder, { withFileTypes: true })) ?? [];
    // A link counts as what it leads to.
    const named = (kind: Kind): string[] =>
      found
        .filter((one) => {
          const is = one.isSymbolicLink() ? attempt(() => statSync(join(folder, one.name))) : one;
          return is !== undefined && kindOf(is) === kind;
        })
        .map((one) => one.name)
        .sort();
    // Nothing else counts: objects and declarations come with each build.
    return { files: named("file").filter((name) => SOURCE.test(name)), folders: named("folder") };
  },
  opened: (path: string): Opened => {
    try {
      return opening(path, openedOf);
    } catch (error) {
      return failed(error);
    }
  },
  contents: (path: string): string | null =>
    attempt(() => opening(path, ({ fd, stat }) => (stat.isFile() ? digest(readFileSync(fd)) : null))) ?? null,
} satisfies Readonly<Record<string, (path: string) => unknown>>;
export type Question = keyof typeof QUESTIONS;

function attempt<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}

function asked<Q extends Question>(question: Q, path: string): ReturnType<(typeof QUESTIONS)[Q]> {
  const answer = QUESTIONS[question](path) as ReturnType<(typeof QUESTIONS)[Q]>;
  witness()?.asked(question, path, answer);
  return answer;
}

/** Whether something is there, links followed; what may not be looked at is not. */
export const exists = (path: string): boolean => asked("exists", path);
/** Undefined where nothing is there, or may be looked at. */
export const status = (path: string): Status | undefined => asked("status", path) ?? undefined;
/** The path without links; undefined where it leads nowhere. */
export const realPath = (path: string): string | undefined => asked("realPath", path) ?? undefined;
/** The TypeScript files of a folder, declarations apart, and its folders, in order; nothing where it cannot be read. */
export const sources = (folder: string): Sources => asked("sources", folder);

/** A file by its handle: what it is, where it really lies, and its bytes. */
export interface OpenFile {
  readonly stat: Stats;
  readonly place: string;
  bytes(): Buffer;
}

/** Opens a file once, and never waits for what is none (a FIFO, a terminal). Throws what the file system says. */
export function withFile<T>(path: string, use: (file: OpenFile) => T): T {
  let reached = false;
  try {
    return opening(path, (file) => {
      reached = true;
      witness()?.asked("opened", path, openedOf(file));
      const bytes = (): Buffer => {
        const found = readFileSync(file.fd);
        witness()?.asked("contents", path, digest(found));
        return found;
      };
      return use({ stat: file.stat, place: file.place, bytes });
    });
  } catch (error) {
    if (!reached) witness()?.asked("opened", path, failed(error));
    throw error;
  }
}

interface Handle {
  readonly fd: number;
  readonly stat: Stats;
  readonly place: string;
}
function opening<T>(path: string, use: (file: Handle) => T): T {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  try {
    return use({ fd, stat: fstatSync(fd), place: placeOf(fd, path) });
  } finally {
    closeSync(fd);
  }
}
const openedOf = ({ stat, place }: Handle): Opened => ({ place, kind: kindOf(stat), size: stat.size });
const failed = (error: unknown): Opened => ({ error: (error as NodeJS.ErrnoException).code ?? String(error) });

function placeOf(fd: number, path: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return realpathSync(path);
  }
}

/** Names contents: no two are known that have the same. */
export const digest = (bytes: Uint8Array | string): string => createHash("sha256").update(bytes).digest("hex");
