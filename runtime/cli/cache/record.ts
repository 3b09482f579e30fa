/**
 * What a command has done, in the user's cache directory, so that the same command does it again without compiling. A record
 * is good for the very same command (`commandKey`) while the file system gives the same answer to every question that
 * compiling asked of it, the contents of every file among them.
 */
import { lstatSync, readdirSync, renameSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isatty } from "node:tty";
import { cacheFolder, isSafe, makeFolder, readOwn } from "../../../bin/own.cjs";
import { digest, QUESTIONS, type Question } from "../../files/disk.ts";

export interface BuildRecord {
  /** Of the command that this was. */
  readonly key: string;
  readonly asked: readonly (readonly [question: Question, path: string, answer: unknown])[];
  /** Files written, as base64. */
  readonly wrote: readonly (readonly [path: string, bytes: string])[];
  /** Texts in their order; 1: standard output, 2: standard error. */
  readonly printed: readonly (readonly [stream: 1 | 2, text: string])[];
}

/** At most so many are kept; a quarter goes at once, the oldest first. */
const KEPT = 200;
const MAX_BYTES = 512 * 1024;
/** What an interrupted process has left is removed after as many minutes. */
const LEFT_MINUTES = 5;

/** Names the contents of the bundle; the build puts it there (scripts/build.mjs). */
declare const TSBPF_BUILD: string;

/**
 * All that decides what a command does, beside files: this compiler, this Node, the command line, the current folder, the user,
 * colours. Undefined where there is no current folder.
 */
export function commandKey(): string | undefined {
  const { NO_COLOR, FORCE_COLOR, TERM } = process.env;
  try {
    return JSON.stringify([
      TSBPF_BUILD,
      [process.version, process.arch],
      process.argv.slice(2),
      process.cwd(),
      [process.getuid?.(), process.geteuid?.()],
      [NO_COLOR, FORCE_COLOR, TERM].map((value) => value ?? null),
      [isatty(1), isatty(2)],
    ]);
  } catch {
    return undefined;
  }
}

/** The record's name, which the launcher (bin/tsbpf) has found; undefined where there is to be none. Once per process. */
export function takeName(): string | undefined {
  const name = process.env["TSBPF_RECORD"];
  delete process.env["TSBPF_RECORD"];
  return name !== undefined && /^[0-9]+-[0-9]+$/.test(name) ? name : undefined;
}

function folderOf(): string | undefined {
  const cache = cacheFolder();
  return cache === undefined ? undefined : join(cache, "builds");
}

/** The record of that name, when it is this user's own, whole, and good for this command now. */
export function findRecord(name: string): BuildRecord | undefined {
  try {
    const folder = folderOf();
    if (folder === undefined || !isSafe(folder)) return undefined;
    const text = readOwn(join(folder, name), true).bytes.toString("utf8");
    const [sum, body] = text.slice(text.indexOf("\n\n") + 2).split("\n", 2);
    if (body === undefined || digest(body) !== sum) return undefined;
    const record = JSON.parse(body) as BuildRecord;
    return record.key === commandKey() && record.asked.every(isAnsweredSo) ? record : undefined;
  } catch {
    return undefined;
  }
}

const isAnsweredSo = ([question, path, answer]: BuildRecord["asked"][number]): boolean =>
  JSON.stringify(QUESTIONS[question](path)) === JSON.stringify(answer);

/** Keeps a record; where that cannot be, there is none. `inputs` are the files that were read: the launcher looks at their times first. */
export function keepRecord(name: string, record: BuildRecord, inputs: readonly string[]): void {
  let part: string | undefined;
  try {
    if (inputs.some((path) => path.includes("\n"))) return;
    const body = JSON.stringify(record);
    if (body.length > MAX_BYTES) return;
    const folder = folderOf();
    if (folder === undefined || !makeFolder(folder)) return;
    part = join(folder, `${name}.${process.pid}-${process.hrtime.bigint()}.part`);
    writeFileSync(part, `${inputs.join("\n")}\n\n${digest(body)}\n${body}\n`, { mode: 0o600, flag: "wx" });
    renameSync(part, join(folder, name));
    part = undefined;
    prune(folder);
  } catch {
    // A full disk, or somebody else's folder: the next one compiles again.
  } finally {
    if (part !== undefined) remove(part);
  }
}

/** The names of records, and of those that are being written. */
const NAME = /^\d+-\d+(\.\d+-\d+\.part)?$/;

/** Removes records only: somebody may have given this folder's name to one with other things in it. */
function prune(folder: string): void {
  const names = readdirSync(folder).filter((name) => NAME.test(name));
  if (names.length <= KEPT) return;
  const aged = names.flatMap((name) => {
    const stat = lstatSync(join(folder, name), { throwIfNoEntry: false });
    return stat?.isFile() ? [{ path: join(folder, name), time: stat.mtimeMs, part: name.endsWith(".part") }] : [];
  });
  const records = aged.filter(({ part }) => !part).sort((a, b) => b.time - a.time);
  const left = aged.filter(({ part, time }) => part && Date.now() - time > LEFT_MINUTES * 60_000);
  for (const { path } of [...records.slice((KEPT * 3) / 4), ...left]) remove(path);
}

function remove(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // It is gone, or the next one to come removes it.
  }
}
