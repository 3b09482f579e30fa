/**
 * What this machine was changed by, on disk for as long as the change lasts: one file per thing, locked by the process
 * that answers for it. Who finds a file unlocked knows that its process ended without undoing, and undoes it. Files lie
 * where only the caller may write, and those of an earlier boot say nothing.
 */
import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  statSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import { RuntimeError } from "./errors.ts";
import { syscalls } from "./syscalls.ts";

const LOCK = { exclusive: 2, withoutWaiting: 4 } as const;
const EAGAIN = -11;
const LARGEST = 65_536;

/** Who holds a thing, and what is needed to undo what was done to it. */
export interface ClaimRecord {
  readonly pid: number;
  /** Name of the program, for people. */
  readonly program: string;
  readonly undo: Readonly<Record<string, string>>;
}

export interface Claim {
  /** What the last holder has left, when it ended without undoing and the machine has not been started anew since. */
  readonly left: ClaimRecord | undefined;
  /** Says what is about to be changed. Call it before the change. */
  write(undo: ClaimRecord["undo"]): void;
  /** All is as it was. */
  end(): void;
  /** Lets go and leaves the record, for one who takes over. */
  leave(): void;
}
export interface Held {
  /** Undefined while its holder is about to write it. */
  readonly holder: ClaimRecord | undefined;
}

/**
 * The directory of the records. Undefined, with nothing made, where the caller may keep none: the caller then goes
 * without, and says so. Throws where it is not the caller's alone: what others may write there must not be believed.
 */
export function claimDirectory(): string | undefined {
  const uid = process.geteuid?.() ?? 0;
  const named = process.env["TSBPF_RUN_DIR"];
  for (const path of named ? [named] : ["/run/tsbpf", `/run/user/${uid}/tsbpf`]) {
    try {
      mkdirSync(path, { mode: 0o700 });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") continue;
    }
    // Who may move a directory on the way could put records of theirs in the place.
    const way = named ? unsafeOnWay(path) : undefined;
    if (way !== undefined)
      throw new RuntimeError("not-permitted", `${path} lies below ${way}, which another user may change`, {
        help: "leave TSBPF_RUN_DIR unset, or name a directory of yours",
      });
    const found = lstatSync(path);
    // Another user's directory, root's say, is no use to this caller, and nothing in it is believed.
    if (found.uid !== uid && !named && uid !== 0) continue;
    if (!found.isDirectory() || found.uid !== uid || (found.mode & 0o022) !== 0)
      throw new RuntimeError("not-permitted", `${path} is not a directory that only user ${uid} may write`, {
        help: `remove it, or give it to user ${uid} with mode 0700`,
      });
    return path;
  }
  return undefined;
}

/** Every directory on the way to a path, from the root of the file system. */
const partsOf = (path: string): readonly string[] => {
  const parts = resolve(path).split("/").filter(Boolean);
  return parts.map((_, index) => `/${parts.slice(0, index).join("/")}`);
};
/** The first directory on the way to a path in which somebody else may change what lies there; undefined when there is none. */
export const unsafeOnWay = (path: string): string | undefined => partsOf(path).find((part) => !isSafe(part));
/** Whether only the caller and root can change what lies in a directory; in a sticky one nobody moves what is another's. */
function isSafe(directory: string): boolean {
  const { uid, mode } = lstatSync(directory);
  return (uid === 0 || uid === process.geteuid?.()) && ((mode & 0o022) === 0 || (mode & 0o1000) !== 0);
}

const bootId = (): string => readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();

/** Takes a thing, or tells who holds it. `program` is what the caller is called when others ask. */
export function claim(directory: string, name: string, program: string): Claim | Held {
  const path = join(directory, `${name}.json`);
  for (;;) {
    let fd: number;
    try {
      fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
    } catch (error) {
      throw notWritten(path, error);
    }
    try {
      const locked = syscalls().flock(fd, LOCK.exclusive | LOCK.withoutWaiting);
      if (locked === EAGAIN) {
        const holder = readRecord(fd);
        closeSync(fd);
        return { holder };
      }
      if (locked < 0) throw new RuntimeError("system", `locking ${path} failed`, { errno: locked });
      // The one before may have removed the file between our opening and our locking.
      if (!sameFile(fd, path)) {
        closeSync(fd);
        continue;
      }
      return claimOf(fd, path, program);
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }
}

function claimOf(fd: number, path: string, program: string): Claim {
  const left = readRecord(fd);
  return {
    left,
    write(undo) {
      const text = Buffer.from(`${JSON.stringify({ boot: bootId(), pid: process.pid, program, undo })}\n`);
      try {
        for (let at = 0; at < text.length;) at += writeSync(fd, text, at, text.length - at, at);
        ftruncateSync(fd, text.length);
      } catch (error) {
        throw notWritten(path, error);
      }
    },
    end() {
      unlinkSync(path);
      closeSync(fd);
    },
    leave: () => closeSync(fd),
  };
}

/** The record comes before the change: without it, nothing is changed. */
function notWritten(path: string, error: unknown): RuntimeError {
  const { code, errno = 0, message } = error as NodeJS.ErrnoException;
  return new RuntimeError(
    "system",
    `keeping the record ${path}, so that the change can be undone: ${code ?? message}`,
    {
      errno,
      help: code === "ENOSPC" || code === "EDQUOT" ? `make room there: df ${dirname(path)}` : undefined,
    },
  );
}

const sameFile = (fd: number, path: string): boolean => {
  try {
    return fstatSync(fd).ino === statSync(path).ino;
  } catch {
    return false;
  }
};

function readRecord(fd: number): ClaimRecord | undefined {
  const bytes = Buffer.alloc(LARGEST);
  const length = readSync(fd, bytes, 0, LARGEST, 0);
  try {
    const record = JSON.parse(bytes.toString("utf8", 0, length)) as ClaimRecord & { readonly boot: string };
    return record.boot === bootId() && typeof record.undo === "object" ? record : undefined;
  } catch {
    // Empty, or cut off: then nothing was changed yet.
    return undefined;
  }
}

/** Names of all records, held or left. */
export const claims = (directory: string): readonly string[] =>
  readdirSync(directory).flatMap((file) => /^(.+)\.json$/.exec(file)?.[1] ?? []);

/** Whether a process has the record open: only then is its number that of the holder. */
export function holds(pid: number, directory: string, name: string): boolean {
  try {
    const folder = `/proc/${pid}/fd`;
    const wanted = statSync(join(directory, `${name}.json`));
    return readdirSync(folder).some((fd) => {
      try {
        if (!readlinkSync(join(folder, fd)).endsWith(`/${name}.json`)) return false;
        const found = statSync(join(folder, fd));
        return found.ino === wanted.ino && found.dev === wanted.dev;
      } catch {
        return false;
      }
    });
  } catch {
    return false;
  }
}

/**
 * Runs a step when the process ends by `process.exit` or an error that nobody catches, too. The returned function runs it
 * at once; it never runs twice.
 */
export function atTheEnd(step: () => void): () => void {
  let done = false;
  const run = (): void => {
    process.off("exit", run);
    if (done) return;
    done = true;
    step();
  };
  process.on("exit", run);
  return run;
}
