/** Directories the runtime needs: a cgroup-v2 directory to attach to, a bpffs to pin in, named network namespaces. */
import { closeSync, constants, existsSync, openSync, readFileSync, readdirSync, statSync, statfsSync } from "node:fs";
import { join } from "node:path";
import { RuntimeError, failed } from "./errors.ts";
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
  if (!statSync(path).isDirectory() || statfsSync(path).type !== CGROUP2_MAGIC)
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

const CLONE_NEWNET = 0x40000000;
/** The namespace file of a name made by `ip netns add`, or of a path, or of a process id. */
export function netnsPath(name: string): string {
  const path = name.includes("/") ? name : /^\d+$/.test(name) ? `/proc/${name}/ns/net` : `/run/netns/${name}`;
  if (!existsSync(path))
    throw new RuntimeError("no-netns", `no such network namespace: ${name}`, {
      help: `ip netns add ${name}; or give a path like /proc/PID/ns/net`,
    });
  return path;
}

/** Runs a function with the thread inside another network namespace, and comes back whatever happens. */
export function inNetns<T>(name: string | undefined, run: () => T): T {
  if (name === undefined) return run();
  const calls = syscalls();
  const own = openSync("/proc/thread-self/ns/net", "r");
  const other = openSync(netnsPath(name), "r");
  try {
    const entered = calls.setns(other, CLONE_NEWNET);
    if (entered < 0) throw failed("no-netns", `entering the network namespace ${name}`, entered);
    try {
      return run();
    } finally {
      const back = calls.setns(own, CLONE_NEWNET);
      if (back < 0) throw failed("no-netns", "coming back from the network namespace", back);
    }
  } finally {
    closeSync(own);
    closeSync(other);
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
