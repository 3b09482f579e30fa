/**
 * Network namespaces and cgroups that a run makes for itself: where `ip netns add` and `mkdir` would make them, on record
 * until they are removed, so that what a killed run has left is removed, or used again, by the next.
 */
import { createHash } from "node:crypto";
import {
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmdirSync,
  statSync,
  unlinkSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import { printable } from "../../compiler/printable.ts";
import { atTheEnd, claim, claimDirectory, claims, type Claim } from "./claims.ts";
import { failed, RuntimeError } from "./errors.ts";
import { attachedTo } from "./neighbours.ts";
import { CLONE_NEWNET, isPlainName, NETNS_FOLDER, openNetns } from "./netns-names.ts";
import { cgroupRoot, isCgroup, openCgroup, systemError } from "./places.ts";
import { syscalls } from "./syscalls.ts";

export interface Making {
  /** What the caller is called when others ask. */
  readonly program: string;
  readonly say: (text: string) => void;
  readonly warn: (text: string) => void;
}
/** What can be made: each is known by a key, and can be removed by what the record says. */
interface Kind {
  readonly prefix: string;
  /** Whether it was there to be removed. Throws when it is in use. */
  remove(undo: Readonly<Record<string, string>>): boolean;
}

const MS_BIND = 0x1000;
/** MNT_DETACH | UMOUNT_NOFOLLOW: a link that somebody has put there leads to nothing of ours. */
const UNMOUNT = 2 | 8;

const KINDS = {
  netns: {
    prefix: "netns-",
    remove({ path, inode }) {
      // Another namespace of that name is not ours.
      if (
        path === undefined ||
        dirname(path) !== NETNS_FOLDER ||
        !existsSync(path) ||
        String(statSync(path).ino) !== inode
      )
        return false;
      const [first, ...more] = processesIn(inode);
      if (first !== undefined)
        throw new RuntimeError(
          "in-use",
          `the network namespace ${path} stays: process ${first} is in it${more.length > 0 ? ` (and ${more.length} more)` : ""}`,
        );
      const result = syscalls().unmount(path, UNMOUNT);
      if (result < 0) throw failed("system", `removing the network namespace ${path}`, result);
      unlinkSync(path);
      return true;
    },
  },
  cgroup: {
    prefix: "cgroup-",
    remove({ path, inode }) {
      if (path === undefined || !existsSync(path) || String(statSync(path).ino) !== inode) return false;
      // The kernel would end their attachments without a word.
      const programs = attachedTo(path);
      if (programs !== 0)
        throw new RuntimeError(
          "in-use",
          programs === undefined
            ? `the cgroup ${path} stays: seeing whether programs are attached to it takes CAP_NET_ADMIN`
            : `the cgroup ${path} stays: ${programs} BPF ${programs === 1 ? "program is" : "programs are"} attached to it (tsbpf list)`,
        );
      try {
        rmdirSync(path);
        return true;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "EBUSY")
          throw new RuntimeError("in-use", `the cgroup ${path} stays: there are processes in it, or cgroups below`);
        throw systemError(error, `removing ${path}`);
      }
    },
  },
} as const satisfies Record<string, Kind>;

/** Processes whose network namespace has this inode, as far as they can be seen. */
function processesIn(inode: string): readonly string[] {
  return readdirSync("/proc").filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      return String(statSync(`/proc/${pid}/ns/net`).ino) === inode;
    } catch {
      return false;
    }
  });
}

/** Keeps a made thing on record until the returned function, or the end of the process, removes it. */
function keep(kind: Kind, key: string, undo: Readonly<Record<string, string>>, making: Making): () => void {
  const directory = claimDirectory();
  const got = directory === undefined ? undefined : claim(directory, `${kind.prefix}${key}`, making.program);
  const mine: Claim | undefined = got && !("holder" in got) ? got : undefined;
  mine?.write(undo);
  return atTheEnd(() => {
    try {
      kind.remove(undo);
      mine?.end();
    } catch (error) {
      making.warn((error as Error).message);
      // Who made it has said so; nobody else is to remove it.
      mine?.end();
    }
  });
}

/** Whether a run that was killed has made it: then it is for the next run to use and to remove. */
function leftBehind(kind: Kind, key: string, inode: number): boolean {
  const directory = claimDirectory();
  if (directory === undefined || !claims(directory).includes(`${kind.prefix}${key}`)) return false;
  const got = claim(directory, `${kind.prefix}${key}`, "");
  if ("holder" in got) return false;
  const ours = got.left?.undo["inode"] === String(inode);
  if (ours) got.leave();
  else got.end();
  return ours;
}

/** A file name of bounded length for a name or a path. */
const encode = (text: string): string => createHash("sha256").update(text).digest("hex").slice(0, 32);

/** Also a link that leads to nothing. */
const isThere = (path: string): boolean => lstatSync(path, { throwIfNoEntry: false }) !== undefined;

/** Makes a network namespace, with its loopback up, as `ip netns add` does. One that exists already is used as it is. */
export function makeNetns(name: string, making: Making): () => void {
  if (!isPlainName(name) || /^\d+$/.test(name))
    throw new RuntimeError(
      "bad-argument",
      `${name === "" ? "nothing" : printable(name)} cannot be the name of a network namespace to make`,
      {
        help: "letters, digits, dots, dashes and underlines, and not digits alone",
      },
    );
  const path = join(NETNS_FOLDER, name);
  if (isThere(path)) {
    closeSync(openNetns(name));
    if (!leftBehind(KINDS.netns, encode(name), statSync(path).ino)) return () => undefined;
    making.say(`network namespace ${name}: a run that was killed has made it; removed when this ends`);
    return keep(KINDS.netns, encode(name), { path, inode: String(statSync(path).ino) }, making);
  }
  making.say(
    `network namespace ${name}: made now, removed when this ends; enter it with: ip netns exec ${name} COMMAND`,
  );
  const calls = syscalls();
  const own = openNetns(undefined);
  let isOurs = false;
  try {
    mkdirSync(NETNS_FOLDER, { recursive: true });
    closeSync(openSync(path, "wx", 0o444));
    isOurs = true;
    const unshared = calls.unshare(CLONE_NEWNET);
    if (unshared < 0) throw failed("system", "making a network namespace", unshared);
    try {
      const mounted = calls.mount("/proc/thread-self/ns/net", path, "none", MS_BIND);
      if (mounted < 0) throw failed("system", `naming the network namespace ${name}`, mounted);
      loopbackUp();
    } finally {
      calls.setns(own, CLONE_NEWNET);
    }
  } catch (error) {
    if (isOurs) {
      calls.unmount(path, UNMOUNT);
      if (existsSync(path)) unlinkSync(path);
    }
    if (error instanceof RuntimeError) throw error;
    if ((error as NodeJS.ErrnoException).code === "EEXIST")
      throw new RuntimeError("in-use", `somebody else has made the network namespace ${name} meanwhile`, {
        help: "start again: what is there is used as it is",
      });
    throw systemError(error, `making the network namespace ${name}`);
  } finally {
    closeSync(own);
  }
  return keep(KINDS.netns, encode(name), { path, inode: String(statSync(path).ino) }, making);
}

const AF_INET = 2;
const SOCK_DGRAM_CLOEXEC = 2 | 0x80000;
const SIOCSIFFLAGS = 0x8914;
const IFF_UP = 1;
function loopbackUp(): void {
  const calls = syscalls();
  const socket = calls.socket(AF_INET, SOCK_DGRAM_CLOEXEC, 0);
  if (socket < 0) throw failed("system", "opening a socket", socket);
  try {
    // struct ifreq: the name in 16 bytes, then the flags.
    const request = new Uint8Array(40);
    request.set(Buffer.from("lo"));
    new DataView(request.buffer).setUint16(16, IFF_UP, true);
    const result = calls.ioctl(socket, SIOCSIFFLAGS, request);
    if (result < 0) throw failed("system", "setting lo up", result);
  } finally {
    closeSync(socket);
  }
}

/**
 * A name without slashes means a cgroup right below the mount, or in the current folder where that is a cgroup: what another
 * folder happens to hold, a link to the root say, decides nothing.
 */
export function cgroupDirectory(name: string): string {
  // As from a shell's variable that is not set: it would be the root, and so the whole machine.
  if (name === "")
    throw new RuntimeError("bad-argument", "the name of the cgroup is empty", { help: "name one: --cgroup demo" });
  const root = cgroupRoot();
  return name.includes("/") || root === undefined || (isCgroup(".") && existsSync(name))
    ? resolve(name)
    : join(root, name);
}

/** Makes a cgroup. One that exists already is used as it is. */
export function makeCgroup(path: string, making: Making): () => void {
  if (existsSync(path)) {
    if (!leftBehind(KINDS.cgroup, encode(path), statSync(path).ino)) return () => undefined;
    making.say(`cgroup ${path}: a run that was killed has made it; removed when this ends`);
  } else {
    closeSync(openCgroup(dirname(path)));
    making.say(`cgroup ${path}: made now, removed when this ends; enter it with: echo $$ > ${path}/cgroup.procs`);
    try {
      mkdirSync(path);
    } catch (error) {
      throw systemError(error, `making the cgroup ${path}`);
    }
  }
  return keep(KINDS.cgroup, encode(path), { path, inode: String(statSync(path).ino) }, making);
}

/** Removes what killed runs have made, but for what this run names. Gives a line for people for each. */
export function recoverMade(wanted: {
  readonly netns?: string | undefined;
  readonly cgroup?: string | undefined;
}): readonly string[] {
  const directory = claimDirectory();
  if (directory === undefined) return [];
  const kept = new Set([
    ...(wanted.netns === undefined ? [] : [`${KINDS.netns.prefix}${encode(wanted.netns)}`]),
    ...(wanted.cgroup === undefined ? [] : [`${KINDS.cgroup.prefix}${encode(wanted.cgroup)}`]),
  ]);
  return claims(directory).flatMap((name) => {
    const kind = Object.values(KINDS).find(({ prefix }) => name.startsWith(prefix));
    if (!kind || kept.has(name)) return [];
    const got = claim(directory, name, "recovery");
    if ("holder" in got) return [];
    const { left } = got;
    try {
      const removed = left !== undefined && kind.remove(left.undo);
      got.end();
      return removed
        ? [`${left.program} (process ${left.pid}) was killed: ${left.undo["path"]}, which it made, is removed`]
        : [];
    } catch (error) {
      got.leave();
      return [(error as Error).message];
    }
  });
}
