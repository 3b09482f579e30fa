/** sd_notify(3): what the manager of services is told, as a datagram to its socket. Nothing is sent where nobody asked for it. */
import { closeFd } from "../kernel/fd.ts";
import { syscalls } from "../kernel/syscalls.ts";

const AF_UNIX = 1;
/** SOCK_DGRAM, SOCK_CLOEXEC, SOCK_NONBLOCK: a manager that does not read must not stop us. */
const DATAGRAM = 2 | 0x80000 | 0x800;

export interface Notifier {
  /** "READY=1", "STATUS=…": fields of one message. */
  send(fields: Readonly<Record<string, string | number>>): void;
  /** How often it must hear WATCHDOG=1, in milliseconds; undefined where it does not watch. */
  readonly watchdogMs: number | undefined;
}

/** What the environment says of the manager; its variables are taken out, as they are for this process alone. */
export function notifier(env: NodeJS.ProcessEnv = process.env): Notifier {
  const { NOTIFY_SOCKET: path, WATCHDOG_USEC: microseconds, WATCHDOG_PID: pid } = env;
  for (const name of ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"]) delete env[name];
  const isOurs = pid === undefined || Number(pid) === process.pid;
  const address = path === undefined ? undefined : socketAddress(path);
  const ms = Number(microseconds) / 1000;
  return {
    watchdogMs: address && isOurs && ms > 0 ? ms : undefined,
    send(fields) {
      if (!address) return;
      const text = Object.entries(fields)
        // A line break would begin another field.
        .map(([name, value]) => `${name}=${String(value).replace(/\s+/g, " ")}`)
        .join("\n");
      send(address, Buffer.from(text));
    },
  };
}

/** struct sockaddr_un; an "@" stands for the zero byte of an abstract address. Undefined where the kernel would take none. */
function socketAddress(path: string): Uint8Array | undefined {
  const name = Buffer.from(path);
  if (!/^[/@]./.test(path) || name.length > 107) return undefined;
  if (path.startsWith("@")) name[0] = 0;
  const bytes = Buffer.alloc(2 + name.length + (path.startsWith("@") ? 0 : 1));
  bytes.writeUInt16LE(AF_UNIX, 0);
  name.copy(bytes, 2);
  return bytes;
}

function send(address: Uint8Array, bytes: Uint8Array): void {
  const calls = syscalls();
  const fd = calls.socket(AF_UNIX, DATAGRAM, 0);
  if (fd < 0) return;
  try {
    // Whether it is heard changes nothing of what is to be done.
    if (calls.connect(fd, address) >= 0) calls.send(fd, bytes);
  } finally {
    closeFd(fd);
  }
}
