/** What a name of a network namespace stands for: one that `ip netns add` made, a path, or a process. Anybody may have written it. */
import { closeSync, constants, existsSync, lstatSync, openSync, statfsSync, statSync } from "node:fs";
import { join } from "node:path";
import { printable } from "../../compiler/printable.ts";
import { RuntimeError } from "./errors.ts";
import { syscalls } from "./syscalls.ts";

/** Where `ip netns add` keeps the files of named namespaces. */
export const NETNS_FOLDER = "/run/netns";
export const CLONE_NEWNET = 0x40000000;
/** f_type of statfs(2) of namespaces' files (include/uapi/linux/magic.h). */
const NSFS_MAGIC = 0x6e736673;
/** ioctl of a namespace's file: its kind, as the flag of clone(2) (include/uapi/linux/nsfs.h). */
const NS_GET_NSTYPE = 0xb703;

const PATH_HELP = "give a path like /proc/PID/ns/net";
const LIST_HELP = `ip netns list shows the names; or ${PATH_HELP}`;
/** What stands for a name and no path, and needs no quotes in a shell. */
export const isPlainName = (name: string): boolean => /^[\w.-]+$/.test(name) && name !== "." && name !== "..";
const isNumber = (name: string): boolean => /^\d+$/.test(name);
const processPath = (pid: string): string => `/proc/${pid}/ns/net`;

/** Codes of a path that leads to nothing. */
const ABSENT = new Set(["ENOENT", "ENOTDIR", "ESRCH", "ENAMETOOLONG", "ELOOP", "ERR_INVALID_ARG_VALUE"]);
const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? String(error);

function absent(name: string): RuntimeError {
  const shown = printable(name);
  if (isNumber(name))
    return new RuntimeError("no-netns", `there is no process ${name}, and no network namespace of that name`, {
      help: LIST_HELP,
    });
  return new RuntimeError("no-netns", `no such network namespace: ${shown}`, {
    help: name.includes("/") ? PATH_HELP : isPlainName(name) ? `ip netns add ${name}; or ${PATH_HELP}` : LIST_HELP,
  });
}
/** What to say of a path that cannot be looked at, or opened. */
function refused(name: string, path: string, error: unknown): RuntimeError {
  const code = codeOf(error);
  if (ABSENT.has(code)) return absent(name);
  const denied = code === "EPERM" || code === "EACCES";
  return new RuntimeError(denied ? "not-permitted" : "system", `opening ${printable(path)}: ${code}`, {
    errno: (error as NodeJS.ErrnoException).errno ?? 0,
    help: denied ? (path.startsWith("/proc/") ? "run as root, with CAP_SYS_PTRACE" : "run as root") : undefined,
  });
}
/** Whether it is a name that `ip netns add` could have made. */
const isMade = (name: string, path: string): boolean => isPlainName(name) && path === join(NETNS_FOLDER, name);
function noNamespace(name: string, path: string): RuntimeError {
  const made = isMade(name, path);
  // `ip netns del` of a link would unmount what it leads to.
  const remove = made && isLink(path) ? `rm ${path}` : `ip netns del ${name}`;
  return new RuntimeError("no-netns", `${printable(path)} is not a network namespace`, {
    help: made ? `${remove} && ip netns add ${name}` : PATH_HELP,
  });
}

/** The namespace file of a name made by `ip netns add`, or of a path, or of a process id. Throws RuntimeError. */
export function netnsPath(name: string): string {
  if (name === "")
    throw new RuntimeError("no-netns", "the name of the network namespace is empty", { help: LIST_HELP });
  if (name.includes("/")) return there(name, name);
  if (name === "." || name === "..") throw absent(name);
  const named = join(NETNS_FOLDER, name);
  if (!isNumber(name) || !existsSync(`/proc/${name}`)) return there(name, named);
  if (existsSync(named))
    throw new RuntimeError("no-netns", `${name} is a process, and the name of a network namespace`, {
      help: `say which: ${named} or ${processPath(name)}`,
    });
  return there(name, processPath(name));
}
function there(name: string, path: string): string {
  try {
    statSync(path);
    return path;
  } catch (error) {
    if (ABSENT.has(codeOf(error)) && isMade(name, path) && isLink(path))
      throw new RuntimeError("no-netns", `${path} is a link that leads to nothing`, {
        help: `rm ${path} && ip netns add ${name}`,
      });
    throw refused(name, path, error);
  }
}
function isLink(path: string): boolean {
  try {
    return lstatSync(path).isSymbolicLink();
  } catch {
    return false;
  }
}

/**
 * A descriptor of a network namespace, the caller's own without a name: it stays valid when the name is gone, and a process id
 * may be another's by then. The caller closes it. Throws RuntimeError.
 */
export function openNetns(name: string | undefined): number {
  if (name === undefined) return openSync("/proc/thread-self/ns/net", constants.O_RDONLY);
  const path = netnsPath(name);
  let fd: number;
  try {
    // A device would begin something, a FIFO would be waited for.
    if (statfsSync(path).type !== NSFS_MAGIC) throw noNamespace(name, path);
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    throw error instanceof RuntimeError ? error : refused(name, path, error);
  }
  if (syscalls().ioctl(fd, NS_GET_NSTYPE, new Uint8Array(8)) === CLONE_NEWNET) return fd;
  closeSync(fd);
  throw noNamespace(name, path);
}
