/**
 * The choice of path manager of a network namespace (net.mptcp.path_manager, pm_type before Linux 6.16): made for one
 * netlink path manager at a time, put back when it ends, and by the next run when it was killed.
 */
import { closeSync, existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { atTheEnd, claim, claimDirectory, claims, holds, type Claim, type Held } from "../kernel/claims.ts";
import { RuntimeError } from "../kernel/errors.ts";
import { NETNS_FOLDER, netnsPath, openNetns } from "../kernel/netns-names.ts";
import { insideNetns, isMachineNetns, netnsIdentity } from "../kernel/places.ts";

const SYSCTL = [
  { name: "net.mptcp.path_manager", userspace: "userspace" },
  { name: "net.mptcp.pm_type", userspace: "1" },
] as const;
const fileOf = (name: string): string => `/proc/sys/${name.replaceAll(".", "/")}`;

export interface UserspaceOptions {
  readonly netns: string | undefined;
  /** What the caller is called when another wants the namespace. */
  readonly program: string;
  /** Ask the present holder to end, and take over from it. */
  readonly replace?: boolean;
  /** The service that the caller is a program of, by its socket: the choice may outlive it, for its next start. */
  readonly service?: Keeping;
  /** Hears what is about to be changed on the machine, before it is. */
  readonly say: (text: string) => void;
  readonly warn: (text: string) => void;
}

export interface Keeping {
  readonly socket: string;
  /** Asked at the end: whether the choice stays. */
  readonly keeps: () => boolean;
}

interface Choice {
  readonly name: string;
  readonly value: string;
  readonly userspace: string;
}

/**
 * Makes new sessions of a namespace use the netlink path manager, for one caller at a time. The returned function puts
 * back what was there; it runs by itself when the process ends without calling it.
 * Throws RuntimeError: in-use (another holds the namespace), not-permitted, kernel-lacks, no-netns.
 */
export function chooseUserspace(options: UserspaceOptions): () => void {
  const { say, warn } = options;
  const netns = openNetns(options.netns);
  let hold: Hold | undefined;
  try {
    const where = whereText(options.netns, netns);
    const present = readChoice(netns);
    hold = holdNamespace(netnsIdentity(netns), where, options);
    const { left } = hold;
    const before = left?.undo["value"] ?? (present.value === present.userspace ? undefined : present.value);
    if (before === undefined) say(`${where}: ${present.name} is ${present.value} already, and stays so`);
    else if (present.value !== present.userspace)
      say(`${where}: ${present.name} ${present.value} → ${present.userspace} for new sessions, until this ends`);
    else
      say(`${where}: ${present.name} was ${before} before ${left?.program ?? "another"}, and will be when this ends`);
    hold.write({
      ...(before === undefined ? {} : { name: present.name, value: before, netns: pathOf(options.netns) }),
      ...(options.service ? { service: options.service.socket } : {}),
    });
    if (present.value !== present.userspace) writeChoice(netns, present.name, present.userspace);
    const held = hold;
    return atTheEnd(() => {
      try {
        if (held.wanted() || options.service?.keeps()) return held.leave();
        // What somebody else has chosen meanwhile stays.
        if (before !== undefined && readChoice(netns).value === present.userspace)
          writeChoice(netns, present.name, before);
        held.end();
      } catch (error) {
        warn(`could not set ${present.name} of ${where} back to ${before}: ${(error as Error).message}`);
      } finally {
        closeSync(netns);
      }
    });
  } catch (error) {
    // What a killed one has left stays on record: nothing has been put back yet.
    if (hold?.left) hold.leave();
    else hold?.end();
    closeSync(netns);
    throw error;
  }
}

/** "network namespace NAME", and whether that is everybody's. */
function whereText(name: string | undefined, netns: number): string {
  const text = name === undefined ? "this network namespace" : `network namespace ${name}`;
  return isMachineNetns(netns) ? `${text}, which is the whole machine's` : text;
}
/** How a later process may find the namespace: by its file, or as its own. */
const pathOf = (name: string | undefined): string => (name === undefined ? "" : resolve(netnsPath(name)));

type Hold = Pick<Claim, "left" | "write" | "end" | "leave"> & {
  /** Whether another waits to take over. */
  wanted(): boolean;
};

/** Long enough for a holder that is busy with ten thousand sessions. */
const HANDOVER_MS = 20_000;
const prefix = "path-manager-";

function holdNamespace(identity: string, where: string, options: UserspaceOptions): Hold {
  const directory = claimDirectory();
  if (directory === undefined) {
    options.warn("there is no directory for records (/run/tsbpf): a kill -9 leaves the path manager as it is then");
    return {
      left: undefined,
      write: () => undefined,
      end: () => undefined,
      leave: () => undefined,
      wanted: () => false,
    };
  }
  const name = `${prefix}${identity}`;
  const waiting = join(directory, `${name}.successor`);
  const take = (): Claim | Held => claim(directory, name, options.program);
  let got = take();
  if ("holder" in got && options.replace) got = handover(directory, name, waiting, got, take);
  if ("holder" in got) {
    const { holder } = got;
    throw new RuntimeError(
      "in-use",
      `${holder ? `${holder.program} (process ${holder.pid})` : "another process"} manages the paths of ${where}`,
      { help: `--replace puts this one in its place${holder ? `; kill ${holder.pid} ends it` : ""}` },
    );
  }
  const mine = got;
  return { ...mine, wanted: () => isAlive(readPid(waiting)) };
}

/** Asks the holder to end and leave things as they are, and waits for that. */
function handover(
  directory: string,
  name: string,
  waiting: string,
  held: Held,
  take: () => Claim | Held,
): Claim | Held {
  const pid = held.holder?.pid;
  if (pid === undefined || pid === process.pid || !holds(pid, directory, name)) return held;
  const service = held.holder?.undo["service"];
  if (service !== undefined)
    throw new RuntimeError(
      "in-use",
      `${held.holder!.program} of the service at ${service} (process ${pid}) manages the paths of this namespace`,
      { help: `take it out of the service's file, then: tsbpf serve reload --socket ${service}` },
    );
  writeFileSync(waiting, String(process.pid), { mode: 0o600 });
  try {
    process.kill(pid, "SIGTERM");
    const sleep = new Int32Array(new SharedArrayBuffer(4));
    for (let waited = 0; waited < HANDOVER_MS; waited += 20) {
      const got = take();
      // Another who waited was quicker.
      if (!("holder" in got) || (got.holder && got.holder.pid !== pid)) return got;
      Atomics.wait(sleep, 0, 0, 20);
    }
    throw new RuntimeError("in-use", `process ${pid} does not end, though it was asked to`, { help: `kill -9 ${pid}` });
  } finally {
    // With two who wait, the quicker has removed it.
    rmSync(waiting, { force: true });
  }
}

function readPid(path: string): number | undefined {
  try {
    return Number(readFileSync(path, "utf8")) || undefined;
  } catch {
    return undefined;
  }
}
const isAlive = (pid: number | undefined): boolean => pid !== undefined && existsSync(`/proc/${pid}`);

/** Whose records are undone: those of no service, those of all, or of a service too, but for namespaces that it manages again. */
export type Recovery = "no service" | "all" | { readonly socket: string; readonly but: ReadonlySet<string> };

const concerns = (whose: Recovery, service: string | undefined, identity: string): boolean =>
  service === undefined || whose === "all" || (typeof whose === "object" && whose.socket === service)
    ? typeof whose !== "object" || !whose.but.has(identity)
    : false;

/**
 * Puts back what path managers have left that were killed. Gives a line for people for each. A namespace that cannot be
 * reached any more needs nothing. What a service has left is for its next start.
 */
export function recoverNamespaces(whose: Recovery = "no service"): readonly string[] {
  const directory = claimDirectory();
  if (directory === undefined) return [];
  return claims(directory).flatMap((name) => {
    if (!name.startsWith(prefix)) return [];
    const got = claim(directory, name, "recovery");
    if ("holder" in got) return [];
    const { left } = got;
    const { name: sysctl, value, netns, service } = left?.undo ?? {};
    const identity = name.slice(prefix.length);
    if (!concerns(whose, service, identity)) {
      got.leave();
      return [];
    }
    const put = sysctl && value && netns !== undefined ? putBack(identity, netns, sysctl, value) : [];
    got.end();
    const ended = service === undefined ? "was killed" : "has left its choice";
    return put.map(
      (where) => `${left?.program} (process ${left?.pid}) ${ended}: ${sysctl} of ${where} is ${value} again`,
    );
  });
}

/** Where the namespace may be found: by the caller's own, the path on record, names, and processes, of each namespace one. */
function* candidates(path: string): Generator<string | undefined> {
  yield undefined;
  const named = existsSync(NETNS_FOLDER) ? readdirSync(NETNS_FOLDER).map((file) => join(NETNS_FOLDER, file)) : [];
  // Who was named by its process id may have ended, and others may be there still.
  const processes = readdirSync("/proc").flatMap((pid) => (/^\d+$/.test(pid) ? [`/proc/${pid}/ns/net`] : []));
  const seen = new Set<bigint>();
  for (const candidate of [...(path === "" ? [] : [path]), ...named, ...processes]) {
    try {
      const { ino } = statSync(candidate, { bigint: true });
      if (seen.has(ino)) continue;
      seen.add(ino);
    } catch {
      continue;
    }
    yield candidate;
  }
}

function putBack(identity: string, path: string, sysctl: string, value: string): readonly string[] {
  for (const candidate of candidates(path)) {
    let netns: number | undefined;
    try {
      netns = openNetns(candidate);
      if (netnsIdentity(netns) !== identity) continue;
      const present = readChoice(netns);
      if (present.name !== sysctl || present.value !== present.userspace) return [];
      writeChoice(netns, sysctl, value);
      return [whereText(candidate, netns)];
    } catch {
      // A file there may be no namespace, or one that cannot be entered: then it is not this one.
    } finally {
      if (netns !== undefined) closeSync(netns);
    }
  }
  return [];
}

function readChoice(netns: number): Choice {
  return insideNetns(netns, () => {
    for (const { name, userspace } of SYSCTL) {
      try {
        return { name, userspace, value: readFileSync(fileOf(name), "utf8").trim() };
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw refused(error);
      }
    }
    throw new RuntimeError("kernel-lacks", "this kernel has no MPTCP path manager for user space", {
      help: "it needs Linux 5.19 or later with CONFIG_MPTCP",
    });
  });
}

function writeChoice(netns: number, name: string, value: string): void {
  insideNetns(netns, () => {
    try {
      writeFileSync(fileOf(name), value);
    } catch (error) {
      throw refused(error);
    }
  });
}

function refused(error: unknown): RuntimeError {
  const { code = String(error), errno = 0 } = error as NodeJS.ErrnoException;
  const isDenied = ["EPERM", "EACCES", "EROFS"].includes(code);
  return new RuntimeError(isDenied ? "not-permitted" : "system", `choosing the userspace path manager: ${code}`, {
    errno,
    ...(isDenied ? { help: "run as root, or with CAP_NET_ADMIN" } : {}),
  });
}
