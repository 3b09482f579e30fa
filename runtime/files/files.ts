/** Reading sources and writing results, with errors for people. */
import { randomBytes } from "node:crypto";
import { closeSync, existsSync, mkdirSync, openSync, renameSync, rmSync, statSync, writeSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { withFile, type OpenFile } from "./disk.ts";
import { witness } from "./witness.ts";

/** Something wrong outside of the program: a file, a folder, an option. */
export interface Trouble {
  /** Searchable, like a diagnostic's key. */
  readonly key: string;
  readonly message: string;
  readonly help?: string;
}
export class TroubleError extends Error {
  readonly trouble: Trouble;
  constructor(trouble: Trouble) {
    super(trouble.message);
    this.trouble = trouble;
  }
}
export const trouble = (key: string, message: string, help?: string): TroubleError =>
  new TroubleError({ key, message, ...(help === undefined ? {} : { help }) });

/** Larger sources are surely a mistake (a bundle, a data file), and checking them would take minutes. */
export const MAX_SOURCE_BYTES = 1024 * 1024;
/** Object files: libbpf's largest real ones are a few megabytes. */
export const MAX_OBJECT_BYTES = 64 * 1024 * 1024;

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "no such file",
  EACCES: "permission denied",
  EPERM: "not permitted",
  EISDIR: "it is a directory",
  ENOTDIR: "a part of the path is not a directory",
  ENOSPC: "no space left on the device",
  EROFS: "the file system is read-only",
  EMFILE: "too many open files",
  ELOOP: "too many symbolic links",
  ENXIO: "it is not a regular file",
  ENAMETOOLONG: "the name is too long",
  EDQUOT: "the disk quota is used up",
};

/** The reason of a file-system error, for people. */
export function reason(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code ?? "";
  return REASONS[code] ?? (error instanceof Error ? error.message : String(error));
}

/** Throws TroubleError unless a file is a regular one of bounded size. */
export function checkRegular(path: string, { stat }: OpenFile, limit: number, what: string): void {
  if (stat.isDirectory())
    throw trouble("is-a-directory", `${path} is a directory`, `name the files: ${join(path, "*.ts")}`);
  if (!stat.isFile()) throw trouble("cannot-read", `${path} is not a regular file`);
  if (stat.size > limit) throw trouble("file-too-large", `${path} has ${stat.size} bytes; ${what} may have ${limit}`);
}

/** Gives what `use` makes of a file that is named; every failure is a TroubleError. */
export function readNamed<T>(path: string, use: (file: OpenFile) => T): T {
  try {
    return withFile(path, use);
  } catch (error) {
    if (error instanceof TroubleError) throw error;
    throw trouble("cannot-read", `cannot read ${path}: ${reason(error)}`);
  }
}

/** The bytes of a regular file of bounded size. Throws TroubleError. */
export const readBounded = (path: string, limit: number, what: string): Buffer =>
  readNamed(path, (file) => {
    checkRegular(path, file, limit, what);
    return file.bytes();
  });

/** Bytes of an object file. Throws TroubleError. */
export function readObjectFile(path: string): Uint8Array {
  return readBounded(path, MAX_OBJECT_BYTES, "an object file");
}

/** Makes a folder and those above it, one by one: Node's recursive mkdir never returns below /proc. */
function makeFolder(path: string): void {
  if (existsSync(path)) return;
  makeFolder(dirname(path));
  mkdirSync(path);
}

/**
 * Writes a file whole or not at all: into a neighbour that is renamed over it, so that a failure (full disk, no right)
 * leaves what was there. Makes the folder if need be. Throws TroubleError.
 */
export function writeWhole(path: string, data: Uint8Array | string): void {
  const bytes = typeof data === "string" ? Buffer.from(data) : data;
  const part = join(dirname(path), `.${basename(path)}.${randomBytes(4).toString("hex")}.part`);
  let fd: number | undefined;
  try {
    makeFolder(dirname(path));
    if (existsSync(path) && statSync(path).isDirectory()) throw Object.assign(new Error(), { code: "EISDIR" });
    fd = openSync(part, "wx", 0o666);
    for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at);
    closeSync(fd);
    fd = undefined;
    renameSync(part, path);
    witness()?.wrote(path, bytes);
  } catch (error) {
    if (fd !== undefined) closeSync(fd);
    // Where the folder itself is no folder, even looking for the neighbour is an error.
    if (existsSync(part)) rmSync(part, { force: true });
    throw trouble("cannot-write", `cannot write ${path}: ${reason(error)}`, "choose another folder: -o DIR");
  }
}
