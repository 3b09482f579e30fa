/** Directories the runtime needs: a cgroup-v2 directory to attach to, a bpffs to pin in, named network namespaces. */
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  openSync,
  readFileSync,
  readdirSync,
  statSync,
  statfsSync,
} from "node:fs";
import { join } from "node:path";
import { RuntimeError, failed } from "./errors.ts";
import { CLONE_NEWNET, NETNS_FOLDER, openNetns } from "./netns-names.ts";
import { syscalls } from "./syscalls.ts";

/** f_type of statfs(2) (include/uapi/linux/magic.h). */
const CGROUP2_MAGIC = 0x63677270;

export interface Mount {
  readonly path: string;
  readonly type: string;
}
export function mounts(): Mount[] {
  return readFileSync("/proc/self/mounts", "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const [, path = "", type = ""] = line.split(" ");
      // Blanks in paths are written as octal escapes.
      return {
        path: path.replace(/\\(\d{3})/g, (_, digits: string) => String.fromCharCode(parseInt(digits, 8))),
        type,
      };
    });
}
/** Where the cgroup-v2 hierarchy is mounted. */
export const cgroupRoot = (): string | undefined => mounts().find((mount) => mount.type === "cgroup2")?.path;

/** Whether a directory lies on a cgroup-v2 file system. */
export const isCgroup = (path: string): boolean => statfsSync(path).type === CGROUP2_MAGIC;

/** Opens a cgroup-v2 directory. The caller closes the descriptor. */
export function openCgroup(path: string): number {
  const root = cgroupRoot();
  if (root === undefined)
    throw new RuntimeError("no-cgroup", "no cgroup2 file system is mounted here", {
      help: "mount -t cgroup2 none /sys/fs/cgroup (or join the cgroup before entering a namespace: `ip netns exec` hides it)",
    });
  if (!existsSync(path))
    throw new RuntimeError("no-cgroup", `no such cgroup: ${path}`, {
      help: `make it: mkdir ${path.startsWith(root) ? path : join(root, "NAME")}`,
    });
  if (!statSync(path).isDirectory() || !isCgroup(path))
    throw new RuntimeError("no-cgroup", `${path} is not a cgroup-v2 directory`, {
      help: `cgroup2 is mounted on ${root}; give a directory in it`,
    });
  try {
    return openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  } catch (error) {
    throw systemError(error, `opening ${path}`);
  }
}

/** The directory of a cgroup id (its inode number), searched for below the mount; undefined when it is gone or hidden. */
export function cgroupPath(id: bigint): string | undefined {
  const root = cgroupRoot();
  if (root === undefined) return undefined;
  const search = (path: string): string | undefined => {
    try {
      if (statSync(path, { bigint: true }).ino === id) return path;
      for (const entry of readdirSync(path, { withFileTypes: true })) {
        const found = entry.isDirectory() ? search(join(path, entry.name)) : undefined;
        if (found !== undefined) return found;
      }
    } catch {
      // A cgroup may vanish while we look.
    }
    return undefined;
  };
  return search(root);
}

export const DEFAULT_PIN_ROOT = "/sys/fs/bpf/tsbpf";

/** Runs a function with the thread inside another network namespace, and comes back whatever happens. */
export function inNetns<T>(name: string | undefined, run: () => T): T {
  if (name === undefined) return run();
  const other = openNetns(name);
  try {
    return insideNetns(other, run, name);
  } finally {
    closeSync(other);
  }
}

/** How people call a namespace, by its inode number: the name that `ip netns add` gave it, else as /proc/PID/ns/net does. */
export function netnsName(inode: bigint): string {
  const isIt = (path: string, dev: bigint): boolean => {
    try {
      const found = statSync(path, { bigint: true });
      return found.ino === inode && found.dev === dev;
    } catch {
      // A name that goes meanwhile, or a link there that leads to nothing.
      return false;
    }
  };
  try {
    // Files of other file systems have numbers of their own.
    const { dev } = statSync("/proc/thread-self/ns/net", { bigint: true });
    const named = readdirSync(NETNS_FOLDER).find((name) => isIt(join(NETNS_FOLDER, name), dev));
    if (named !== undefined) return named;
  } catch {
    // No folder, or one that is closed.
  }
  return `net:[${inode}]`;
}

const EPERM = -1;
const ENTERING = "run as root, or with CAP_SYS_ADMIN";
/** `inNetns` by descriptor. */
export function insideNetns<T>(netns: number, run: () => T, name?: string): T {
  const calls = syscalls();
  const own = openNetns(undefined);
  try {
    // To be there already takes no rights.
    if (fstatSync(own).ino === fstatSync(netns).ino) return run();
    const entered = calls.setns(netns, CLONE_NEWNET);
    if (entered < 0)
      throw failed(
        "no-netns",
        `entering the network namespace${name === undefined ? "" : ` ${name}`}`,
        entered,
        entered === EPERM ? ENTERING : undefined,
      );
    try {
      return run();
    } finally {
      const back = calls.setns(own, CLONE_NEWNET);
      // eslint-disable-next-line no-unsafe-finally -- nothing may go on in the wrong namespace, whatever happened there
      if (back < 0) throw failed("no-netns", "coming back from the network namespace", back);
    }
  } finally {
    closeSync(own);
  }
}

const AF_INET = 2;
const SOCK_DGRAM_CLOEXEC = 2 | 0x80000;
const SOL_SOCKET = 1;
const SO_NETNS_COOKIE = 71;
/** What tells a namespace from every other since the machine was started: its cookie (Linux 5.14), else its inode. */
export function netnsIdentity(netns: number): string {
  const calls = syscalls();
  const cookie = new Uint8Array(8);
  const length = insideNetns(netns, () => {
    const socket = calls.socket(AF_INET, SOCK_DGRAM_CLOEXEC, 0);
    if (socket < 0) return socket;
    try {
      return calls.getsockopt(socket, SOL_SOCKET, SO_NETNS_COOKIE, cookie);
    } finally {
      closeSync(socket);
    }
  });
  return length === 8
    ? `c${new DataView(cookie.buffer).getBigUint64(0, true).toString(16)}`
    : `i${fstatSync(netns, { bigint: true }).ino.toString(16)}`;
}

/** Whether it is the namespace of the machine's first process, which as a rule is everybody's. */
export function isMachineNetns(netns: number): boolean {
  try {
    return statSync("/proc/1/ns/net", { bigint: true }).ino === fstatSync(netns, { bigint: true }).ino;
  } catch {
    return false;
  }
}

export function systemError(error: unknown, what: string): RuntimeError {
  const code = (error as NodeJS.ErrnoException).code ?? String(error);
  const errno = (error as NodeJS.ErrnoException).errno ?? 0;
  const denied = code === "EPERM" || code === "EACCES";
  return new RuntimeError(denied ? "not-permitted" : "system", `${what}: ${code}`, {
    errno,
    help: denied ? "run as root" : code === "EROFS" ? "the file system is read-only" : undefined,
  });
}
