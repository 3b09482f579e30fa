/** Sockets of other processes: what hangs on a socket (SkStorage) is read and written by a descriptor of it. */
import { fstatSync, readFileSync } from "node:fs";
import { RuntimeError } from "./errors.ts";
import { closeFd } from "./fd.ts";
import { errnoName } from "./errno-name.ts";
import { syscalls } from "./syscalls.ts";

/** A descriptor of this process for a socket; close it when done. */
export interface SocketDescriptor {
  readonly fd: number;
  close(): void;
}

const ESRCH = -3;
const EBADF = -9;
const EPERM = -1;
const EINVAL = -22;
const ENOENT = -2;

/**
 * The socket that is descriptor `fd` in process `pid`, as a key of maps of this process (pidfd_getfd(2), Linux 5.6):
 * `const socket = socketOf(4711, 8); object.maps.clients.set(socket.fd, { … }); socket.close();`
 * Throws RuntimeError: not-found (no such process or descriptor), bad-value (no socket), not-permitted (it takes the right to trace that process).
 */
export function socketOf(pid: number, fd: number): SocketDescriptor {
  const calls = syscalls();
  const process = calls.openProcess(pid);
  if (process < 0) throw refused(process, pid, fd);
  try {
    const taken = calls.takeDescriptor(process, fd);
    if (taken < 0) throw refused(taken, pid, fd);
    if (fstatSync(taken).isSocket()) return { fd: taken, close: () => closeFd(taken) };
    closeFd(taken);
    throw new RuntimeError("bad-value", `descriptor ${fd} of process ${pid} is no socket`, { help: HELP });
  } finally {
    closeFd(process);
  }
}

function refused(errno: number, pid: number, fd: number): RuntimeError {
  if (errno === ESRCH) return new RuntimeError("not-found", `there is no process ${pid}`, { errno, help: HELP });
  const leader = errno === EINVAL || errno === ENOENT ? processOf(pid) : undefined;
  if (leader !== undefined)
    return new RuntimeError("not-found", `${pid} is a thread and no process`, {
      errno,
      help: `it is one of process ${leader}`,
    });
  if (errno === EINVAL) return new RuntimeError("not-found", `there is no process ${pid}`, { errno, help: HELP });
  if (errno === EBADF)
    return new RuntimeError("not-found", `process ${pid} has no descriptor ${fd}`, { errno, help: HELP });
  if (errno === EPERM)
    return new RuntimeError("not-permitted", `taking descriptor ${fd} of process ${pid}: EPERM`, {
      errno,
      help: "run as root, or with CAP_SYS_PTRACE",
    });
  return new RuntimeError("map-operation", `taking descriptor ${fd} of process ${pid}: ${errnoName(errno)}`, { errno });
}
/** The process that a thread is of; undefined where it is a process itself, or nothing. */
function processOf(thread: number): number | undefined {
  try {
    const leader = Number(/^Tgid:\s*(\d+)$/m.exec(readFileSync(`/proc/${thread}/status`, "utf8"))?.[1]);
    return leader === thread ? undefined : leader;
  } catch {
    return undefined;
  }
}
const HELP = "ss -tnp lists sockets with the process and the descriptor of each";
