/**
 * Directories on a bpffs that can be believed: opened part by part and by handle, no link followed, and only where nobody
 * but the caller and root may change them. What is pinned there is found, made and removed through those handles, so that
 * another user cannot put a directory of theirs, or a link, in between.
 */
import {
  closeSync,
  constants,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  statfsSync,
  unlinkSync,
  type Stats,
} from "node:fs";
import { join, resolve } from "node:path";
import { openPin, pin } from "./bpf.ts";
import { failed, RuntimeError } from "./errors.ts";
import { systemError } from "./places.ts";
import type { Undo } from "./undo.ts";

/** f_type of statfs(2) (include/uapi/linux/magic.h). */
export const BPFFS_MAGIC = 0xcafe4a11;
/** open(2): a handle to the place alone, which opens nothing of what is there. */
const O_PATH = 0o10000000;
const HANDLE = O_PATH | constants.O_NOFOLLOW;
const OTHERS_MAY_WRITE = 0o022;
const STICKY = 0o1000;
/** As many as the kernel follows (MAXSYMLINKS). */
const MOST_LINKS = 40;

export interface PinFolder {
  readonly path: string;
  /** File names, sorted; leftovers of an interrupted replacement are left out. */
  names(): readonly string[];
  has(name: string): boolean;
  /** A folder in this one, checked like it; undefined when there is none. Closed with the outermost one. */
  folder(name: string): PinFolder | undefined;
  /** The same, made with mode 0700 when there is none. */
  makeFolder(name: string, undo: Undo): PinFolder;
  /** The program, map or link pinned under a name: a descriptor. Throws when there is none. */
  open(name: string): number;
  pin(name: string, fd: number, undo?: Undo): void;
  /** Pins in place of what is there, in one step: there is no moment without a pin. */
  replace(name: string, fd: number): void;
  /** Removes a pin; nothing else is ever removed. No pin is no error. */
  remove(name: string): void;
  /** Removes an empty folder in this one; whether it was empty. */
  removeFolder(name: string): boolean;
  /** Closes the handles: of this folder and of all that were opened through it. */
  close(): void;
}

const errno = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code;
/** A name in a directory that is held by its handle: what openat(2) and its like are in Node. */
const at = (fd: number, name: string): string => `/proc/self/fd/${fd}/${name}`;
const isBpffs = (fd: number): boolean =>
  Number(BigInt.asUintN(32, BigInt(statfsSync(`/proc/self/fd/${fd}`).type))) === BPFFS_MAGIC;

function openHandle(path: string, shown: string): number | undefined {
  try {
    return openSync(path, HANDLE);
  } catch (error) {
    if (errno(error) === "ENOENT") return undefined;
    throw systemError(error, `looking into ${shown}`);
  }
}

const mine = (stat: Stats): boolean => stat.uid === 0 || stat.uid === process.geteuid?.();

function unsafe(path: string, why: string): RuntimeError {
  return new RuntimeError("unsafe-pins", `${path} ${why}`, {
    help: "pin where nobody else may write: mount -t bpf -o mode=0700 bpf DIR, then --pins DIR/tsbpf",
  });
}

/** A mount may be open to all as /tmp is, where only owners move what is theirs; below it nobody else may write. */
function check(stat: Stats, path: string, isMount: boolean): void {
  if (!stat.isDirectory()) throw unsafe(path, stat.isSymbolicLink() ? "is a symbolic link" : "is not a directory");
  if (!mine(stat)) throw unsafe(path, `belongs to user ${stat.uid}, who could swap what is pinned there`);
  if ((stat.mode & OTHERS_MAY_WRITE) !== 0 && !(isMount && (stat.mode & STICKY) !== 0))
    throw unsafe(path, "may be written by others, who could swap what is pinned there");
}

interface Walked {
  readonly fd: number;
  /** The parts of the path that do not exist. */
  readonly missing: readonly string[];
  readonly onBpffs: boolean;
}

/** Goes down from the root of the file system. The caller closes the handle. */
function walk(path: string): Walked {
  const parts = resolve(path).split("/").filter(Boolean);
  let fd = openSync("/", HANDLE | constants.O_DIRECTORY);
  let [here, onBpffs, device, links] = ["/", false, fstatSync(fd).dev, 0];
  try {
    while (parts.length > 0) {
      const name = parts[0]!;
      const shown = join(here, name);
      const child = openHandle(at(fd, name), shown);
      if (child === undefined) return { fd, missing: parts, onBpffs };
      const stat = fstatSync(child);
      if (stat.isSymbolicLink() && !onBpffs) {
        closeSync(child);
        // A link of another user's could lead from one bpffs to another.
        if (!mine(stat)) throw unsafe(shown, `is a link of user ${stat.uid}`);
        if (++links > MOST_LINKS) throw new RuntimeError("system", `${path}: too many symbolic links`);
        const target = readlinkSync(at(fd, name));
        parts.splice(0, 1, ...target.split("/").filter(Boolean));
        if (!target.startsWith("/")) continue;
        closeSync(fd);
        fd = openSync("/", HANDLE | constants.O_DIRECTORY);
        [here, onBpffs, device] = ["/", false, fstatSync(fd).dev];
        continue;
      }
      closeSync(fd);
      fd = child;
      parts.shift();
      const entered = !onBpffs || stat.dev !== device;
      if (onBpffs || (stat.isDirectory() && isBpffs(fd))) check(stat, shown, entered);
      [here, device, onBpffs] = [shown, stat.dev, stat.isDirectory() && isBpffs(fd)];
      if (!stat.isDirectory()) throw new RuntimeError("no-bpffs", `${shown} is not a directory`);
    }
    return { fd, missing: [], onBpffs };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

const noBpffs = (path: string): RuntimeError =>
  new RuntimeError("no-bpffs", `${path} is not on a bpf file system, so nothing can be pinned there`, {
    help: "mount -t bpf -o mode=0700 bpf /sys/fs/bpf, or name a directory on a bpffs with --pins DIR",
  });

/** Whether a directory, or the nearest one above it that exists, lies on a bpffs. Throws where it may not be believed. */
export function onBpffs(path: string): boolean {
  const walked = walk(path);
  closeSync(walked.fd);
  return walked.onBpffs;
}

/** Throws unless pins can be made under a directory. */
export function needBpffs(path: string): void {
  if (!onBpffs(path)) throw noBpffs(path);
}

/** Opens a folder of pins; undefined when there is none. Throws where it may not be believed. The caller closes it. */
export function openPinFolder(path: string): PinFolder | undefined {
  const { fd, missing, onBpffs: on } = walk(path);
  const handles = [fd];
  if (missing.length === 0 && on) return folderOf(fd, resolve(path), handles);
  closeSync(fd);
  if (missing.length === 0) throw noBpffs(path);
  return undefined;
}

/** The same, made where it is missing, with mode 0700. */
export function makePinFolder(path: string, undo: Undo): PinFolder {
  const { fd, missing, onBpffs: on } = walk(path);
  const handles = [fd];
  try {
    if (!on) throw noBpffs(path);
    let folder = folderOf(
      fd,
      missing.reduce((above) => join(above, ".."), resolve(path)),
      handles,
    );
    for (const name of missing) folder = folder.makeFolder(name, undo);
    return folder;
  } catch (error) {
    for (const handle of handles) closeSync(handle);
    throw error;
  }
}

/** A folder, by its handle; `handles` collects those of the folders in it. */
function folderOf(fd: number, path: string, handles: number[]): PinFolder {
  const shown = (name: string): string => join(path, name);
  const needName = (name: string): void => {
    if (name === "" || name === "." || name === ".." || name.includes("/") || name.includes("\0"))
      throw new RuntimeError("bad-argument", `${JSON.stringify(name)} is no file name`);
  };
  /** A handle to what has a name here, and whether it is a pin: a regular file of this very file system. */
  const look = <T>(name: string, use: (handle: number, stat: Stats) => T): T | undefined => {
    needName(name);
    const handle = openHandle(at(fd, name), shown(name));
    if (handle === undefined) return undefined;
    try {
      return use(handle, fstatSync(handle));
    } finally {
      closeSync(handle);
    }
  };
  /** For undoing, when the handles of today may be closed. */
  const again = (use: (folder: PinFolder) => void): void => {
    const now = openPinFolder(path);
    try {
      if (now) use(now);
    } finally {
      now?.close();
    }
  };
  const needPin = (name: string, stat: Stats): void => {
    if (!stat.isFile() || stat.dev !== fstatSync(fd).dev)
      throw unsafe(shown(name), `is ${stat.isSymbolicLink() ? "a symbolic link" : "a directory"}, not a pin`);
    if (!mine(stat)) throw unsafe(shown(name), `belongs to user ${stat.uid}`);
  };
  const removePinned = (name: string): void => {
    try {
      if (look(name, (_handle, stat) => (needPin(name, stat), true))) unlinkSync(at(fd, name));
    } catch (error) {
      if (errno(error) === "ENOENT") return;
      throw error instanceof RuntimeError ? error : systemError(error, `removing ${shown(name)}`);
    }
  };
  const put = (name: string, object: number, undo?: Undo): void => {
    needName(name);
    const result = pin(object, at(fd, name));
    if (result < 0)
      throw failed(
        result === -17 ? "pin-exists" : "system",
        `pinning ${shown(name)}`,
        result,
        result === -17 ? "choose another name, or detach what is there" : undefined,
      );
    undo?.step(() => again((folder) => folder.remove(name)));
  };
  const folder = (name: string): PinFolder | undefined => {
    needName(name);
    const child = openHandle(at(fd, name), shown(name));
    if (child === undefined) return undefined;
    handles.push(child);
    const stat = fstatSync(child);
    check(stat, shown(name), false);
    // What is mounted here could be anybody's.
    if (!isBpffs(child) || stat.dev !== fstatSync(fd).dev) throw unsafe(shown(name), "is on another file system");
    return folderOf(child, shown(name), handles);
  };
  return {
    path,
    names: () =>
      readdirSync(at(fd, "."))
        .filter((name) => !name.endsWith(FRESH))
        .toSorted(),
    has: (name) => look(name, () => true) ?? false,
    folder,
    makeFolder(name, undo) {
      needName(name);
      try {
        mkdirSync(at(fd, name), { mode: 0o700 });
        undo.step(() => again((above) => void above.removeFolder(name)));
      } catch (error) {
        if (errno(error) !== "EEXIST") throw systemError(error, `making ${shown(name)}`);
      }
      const made = folder(name);
      if (!made) throw new RuntimeError("system", `${shown(name)} was removed as it was made`);
      return made;
    },
    open(name) {
      const result = look(name, (handle, stat) => {
        needPin(name, stat);
        return openPin(`/proc/self/fd/${handle}`);
      });
      if (result === undefined) throw new RuntimeError("not-found", `nothing is pinned at ${shown(name)}`);
      if (result < 0) throw failed("system", `opening ${shown(name)}`, result);
      return result;
    },
    pin: put,
    replace(name, object) {
      removePinned(name + FRESH);
      put(name + FRESH, object);
      try {
        look(name, (_handle, stat) => needPin(name, stat));
        renameSync(at(fd, name + FRESH), at(fd, name));
      } catch (error) {
        removePinned(name + FRESH);
        throw error instanceof RuntimeError ? error : systemError(error, `pinning ${shown(name)}`);
      }
    },
    remove: removePinned,
    removeFolder(name) {
      try {
        removeLeftovers(name);
        rmdirSync(at(fd, name));
        return true;
      } catch (error) {
        if (errno(error) === "ENOENT") return true;
        if (errno(error) === "ENOTEMPTY" || errno(error) === "EBUSY") return false;
        throw error instanceof RuntimeError ? error : systemError(error, `removing ${shown(name)}`);
      }
    },
    close: () => handles.splice(0).forEach((handle) => closeSync(handle)),
  };

  /** What an interrupted replacement has left in a folder. */
  function removeLeftovers(name: string): void {
    const inner = folder(name);
    if (!inner) return;
    for (const file of readdirSync(join(at(fd, name), ".")).filter((one) => one.endsWith(FRESH))) inner.remove(file);
  }
}

/** Ends the name of a pin that is about to take another's place. No name of ours has it (names.ts). */
const FRESH = "~";

/** The folder of a path and the last part of it, for a pin that is named by its path. Throws when there is no folder. */
export function openPinParent(path: string): { readonly folder: PinFolder; readonly name: string } {
  const whole = resolve(path);
  const folder = openPinFolder(join(whole, ".."));
  if (!folder) throw new RuntimeError("not-found", `no such directory: ${join(whole, "..")}`);
  return { folder, name: whole.split("/").pop() ?? "" };
}
